// The form of a saved search: its name, its tags, and where its matches go. A kind of receiver is a
// row of a table (lib/receivers.js).

import { useContext, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { KINDS, kindOf, written } from '../lib/receivers.js';
import { faultOf, nameOf, tagsOf } from '../lib/saved.js';
import { Page } from './context.js';
import { FeedPart } from './feed.js';
import { html } from './html.js';

/** @typedef {import('../lib/receivers.js').Field} Field */

/** The server's own limits. */
const MOST_RECEIVERS = 8;
const MOST_NAME_CHARS = 128;

/** @param {{query: string, onDone: (says: string) => void, onCancel: () => void}} props */
export function SaveForm({ query, onDone, onCancel }) {
  const { saved } = useContext(Page).perch;
  // What is changed stays what it was when the form was opened, so that a change by somebody else
  // is noticed.
  const [known, setKnown] = useState(() => saved.of(query) ?? null);
  const offers = saved.offers.value;
  const [name, setName] = useState(() => known?.name ?? nameOf(query));
  const [tags, setTags] = useState(() => known?.tags?.join(', ') ?? '');
  const [isPublic, setPublic] = useState(known?.public === true);
  const [receivers, setReceivers] = useState(() => (known?.deliver ?? []).map((fields, at) => ({ id: at, fields: { ...kindOf(fields)?.defaults, ...fields } })));
  const [says, setSays] = useState({ message: '', field: '' });
  const [isBusy, setBusy] = useState(false);
  const nextId = useRef(receivers.length);

  /** @param {import('../lib/receivers.js').Kind} kind */
  const add = ({ type, template, defaults }) => setReceivers([...receivers, { id: nextId.current++, fields: { type, ...(template && { template }), ...defaults } }]);
  /** @param {number} id */
  const drop = (id) => setReceivers(receivers.filter((receiver) => receiver.id !== id));
  /** @param {number} id @param {string} name @param {string} value */
  const set = (id, name, value) => setReceivers(receivers.map((receiver) => (receiver.id === id ? { ...receiver, fields: { ...receiver.fields, [name]: value } } : receiver)));

  /** @param {SubmitEvent} event */
  const onSubmit = async (event) => {
    event.preventDefault();
    const wanted = known?.name ?? nameOf(name, MOST_NAME_CHARS);
    const deliver = receivers.map(({ fields }) => written(fields));
    setBusy(true);
    try {
      await saved.put(wanted, { query: known?.query ?? query, tags: tagsOf(tags), public: isPublic, deliver }, known);
      onDone(t('saved.saved', { name: wanted }));
    } catch (fault) {
      const { status, message, field } = faultOf(fault);
      setSays({ message: status === 412 ? t(known ? 'saved.changed' : 'saved.taken', { name: wanted }) : message, field: status === 412 && !known ? 'name' : field });
      setBusy(false);
    }
  };
  return html`<form class="saving" onSubmit=${onSubmit}>
    <p class="asked"><span>${t('saved.query')}</span> <code dir="auto">${query}</code></p>
    <label class="line"
      >${t('saved.name')}
      <input type="text" required maxlength=${MOST_NAME_CHARS} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} readonly=${known !== null} aria-invalid=${says.field === 'name'} aria-describedby="save-says"
    /></label>
    <label class="line">${t('saved.tags')} <input type="text" value=${tags} onInput=${(/** @type {any} */ event) => setTags(event.target.value)} aria-describedby="save-tags" /></label>
    <p id="save-tags" class="hint">${t('saved.tags.help')}</p>
    <h3>${t('saved.where')}</h3>
    ${receivers.length === 0 && html`<p class="hint">${t('saved.where.nowhere')}</p>`}
    ${receivers.map(({ id, fields }, at) => {
      const kind = kindOf(fields);
      return html`<fieldset key=${id}>
        <legend>${kind ? t(kind.label) : String(fields.type)}</legend>
        ${kind
          ? kind.fields
              .filter((field) => field.fits?.(fields) ?? true)
              .map(
                (field) =>
                  html`<${FieldRow}
                    field=${field}
                    id=${`receiver-${id}-${field.name}`}
                    value=${fields[field.name]}
                    isWrong=${says.field === `deliver[${at}].${field.name}`}
                    onValue=${(/** @type {string} */ value) => set(id, field.name, value)}
                  />`,
              )
          : html`<p class="hint">${t('receiver.unknown')}</p>`}
        <button type="button" class="small" onClick=${() => drop(id)}>${t('receiver.remove')}</button>
      </fieldset>`;
    })}
    ${receivers.length < MOST_RECEIVERS &&
    html`<div class="kinds" role="group" aria-label=${t('receiver.add')}>
      ${KINDS.filter(({ type }) => offers.receivers.includes(type)).map((kind) => html`<button type="button" class="kind" onClick=${() => add(kind)}><b>${t('receiver.add.one', { kind: t(kind.label) })}</b><span>${t(kind.about)}</span></button>`)}
    </div>`}
    ${offers.feeds && html`<${FeedPart} known=${known} setKnown=${setKnown} name=${known?.name ?? nameOf(name, MOST_NAME_CHARS)} isPublic=${isPublic} setPublic=${setPublic} />`}
    <p id="save-says" class="refused" role="alert">${says.message}</p>
    <p class="ends">
      <button type="submit" class="go" disabled=${isBusy}>${t('saved.save')}</button>
      <button type="button" class="small" onClick=${onCancel}>${t('saved.cancel')}</button>
    </p>
  </form>`;
}

/**
 * @param
 *   {{field: Field, id: string, value: unknown, isWrong: boolean, onValue: (value: string) =>
 *     void}}
 *   props
 */
function FieldRow({ field, id, value, isWrong, onValue }) {
  const { label, kind, required = false, example = '', help, make, choices = [] } = field;
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  const says = isWrong ? 'save-says' : help ? `${id}-help` : undefined;
  if (kind === 'choice') {
    // A value of the command line stays what it is.
    /** @type {[string, import('../strings.js').Key | null][]} */
    const all = choices.some(([known]) => known === text) ? choices : [...choices, [text, null]];
    return html`<label class="line" for=${id}>${t(label)}</label>
      <select id=${id} aria-invalid=${isWrong} aria-describedby=${says} onChange=${(/** @type {any} */ event) => onValue(event.target.value)}>
        ${all.map(([known, key]) => html`<option value=${known} selected=${known === text}>${key ? t(key) : known}</option>`)}
      </select>`;
  }
  return html`<label class="line" for=${id}>${t(label)}</label>
    <span class="value"
      ><input
        id=${id}
        type=${kind === 'email' ? 'text' : kind}
        inputmode=${kind === 'email' ? kind : undefined}
        min=${kind === 'number' ? 1 : undefined}
        required=${required}
        placeholder=${example}
        spellcheck=${false}
        autocomplete=${kind === 'email' ? kind : 'off'}
        value=${text}
        aria-invalid=${isWrong}
        aria-describedby=${says}
        onInput=${(/** @type {any} */ event) => onValue(event.target.value)}
      />${make && html`<button type="button" class="small" onClick=${() => onValue(make())}>${t(field.made ?? 'receiver.make')}</button>`}</span
    >
    ${help && html`<p id=${`${id}-help`} class="hint">${t(help)}</p>`}`;
}
