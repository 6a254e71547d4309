// Saved searches: the list with what becomes of each, and what to do where the server keeps none
// for this person.

import { useContext, useEffect, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { placeOf } from '../lib/receivers.js';
import { faultOf, feedsOf, queryOf } from '../lib/saved.js';
import { Page } from './context.js';
import { format, html } from './html.js';
import { SaveForm } from './save.js';
import { Sheet } from './sheet.js';

/** @typedef {import('../lib/saved.js').SavedSearch} SavedSearch */
/** @typedef {import('../lib/saved.js').Tested} Tested */
/** @typedef {import('../lib/saved.js').Try} Try */

/** So often the list is read while it is looked at. */
const REFRESH_MS = 5000;
/** Tries that are shown of a search. */
const MOST_TRIES = 20;

/**
 * @param {object} props
 * @param {string | null} props.query what is to be saved; null shows the list
 * @param {() => void} props.onClose
 */
export function Saved({ query, onClose }) {
  const { perch, announce } = useContext(Page);
  const { saved } = perch;
  const { access } = saved.state.value;
  const [wanted, setWanted] = useState(query);
  const [isRead, setRead] = useState(false);
  useEffect(() => {
    void saved.load().then(() => setRead(true));
    const timer = setInterval(() => document.hidden || void saved.load(), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (access === 'open') perch.remembersSaver();
  }, [access]);
  const done = (/** @type {string} */ text) => {
    setWanted(null);
    announce(text);
  };
  const isForm = access === 'open' && wanted !== null;
  return html`<${Sheet} title=${t(isForm ? 'saved.form' : 'saved.title')} kind="side saved" onClose=${onClose}>
    ${!isRead && access === 'unknown' && html`<p class="notice">${t('saved.loading')}</p>`}
    ${access === 'failed' && html`<p class="notice bad" role="alert">${t('saved.failed', { reason: saved.state.value.reason })}</p>`}
    ${access === 'locked' && html`<${Locked} />`}
    ${isForm
      ? html`<${SaveForm} key=${wanted} query=${wanted} onDone=${done} onCancel=${() => setWanted(null)} />`
      : access === 'open' && html`<${List} onEdit=${(/** @type {SavedSearch} */ search) => setWanted(queryOf(search))} onClose=${onClose} />`}
  <//>`;
}

/** The server lets this person save nothing: what to do. */
function Locked() {
  const { perch } = useContext(Page);
  const { reason } = perch.saved.state.value;
  /** @param {SubmitEvent} event */
  const onSubmit = (event) => {
    event.preventDefault();
    const token = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get('token')).trim();
    if (token) perch.authorizeSaver(token);
  };
  return html`<form class="token" onSubmit=${onSubmit}>
    <p>${t('saved.locked')}</p>
    <ul class="ways">
      <li>${t('saved.locked.token')}</li>
      <li>${t('saved.locked.local')}</li>
      <li>${t('saved.locked.operator')}</li>
    </ul>
    <input type="password" name="token" aria-label=${t('token.label')} aria-describedby="saved-says" autocomplete="off" required />
    <button type="submit" class="go">${t('token.go')}</button>
    <p id="saved-says" class="refused" role="alert">${reason && t('token.refused', { reason })}</p>
  </form>`;
}

/** @param {{onEdit: (search: SavedSearch) => void, onClose: () => void}} props */
function List({ onEdit, onClose }) {
  const { perch } = useContext(Page);
  const { saved } = perch;
  const [tag, setTag] = useState('');
  const { tags } = saved;
  const chosen = tags.includes(tag) ? tag : '';
  const shown = chosen ? saved.inSet(chosen) : saved.list.value;
  const openAll = () => {
    perch.openSet(shown.map(queryOf));
    onClose();
  };
  return html`
    ${tags.length > 0 &&
    html`<div class="sets" role="group" aria-label=${t('saved.sets')}>
      ${['', ...tags].map((one) => html`<button type="button" class="small" aria-pressed=${one === chosen} onClick=${() => setTag(one)}>${one || t('saved.all')}</button>`)}
    </div>`}
    ${chosen && html`<p class="set"><button type="button" class="go" onClick=${openAll}>${t('saved.set.open', { n: shown.length, count: shown.length })}</button></p>`}
    ${shown.length === 0
      ? html`<p class="notice">${t('saved.none')}</p>`
      : html`<ul class="kept">
          ${shown.map((search) => html`<${Entry} key=${search.name} search=${search} onEdit=${onEdit} onClose=${onClose} />`)}
        </ul>`}
    ${saved.state.value.isCut && html`<p class="end">${t('saved.cut', { count: format.count(shown.length) })}</p>`}
    ${perch.columns.value.length > 0 && html`<${SaveSet} />`}
  `;
}

/** Keeps the open columns as a set. */
function SaveSet() {
  const { perch, announce } = useContext(Page);
  const [says, setSays] = useState('');
  const columns = perch.columns.value;
  /** @param {SubmitEvent} event */
  const onSubmit = async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const tag = String(new FormData(form).get('set')).trim();
    if (!tag) return;
    try {
      await perch.saved.tag([...new Set(columns.map((column) => column.query))], tag);
      form.reset();
      setSays('');
      announce(t('saved.set.saved', { name: tag }));
    } catch (fault) {
      setSays(faultOf(fault).message);
    }
  };
  return html`<form class="keepset" onSubmit=${onSubmit}>
    <label>${t('saved.set.save', { n: columns.length, count: columns.length })}<input type="text" name="set" maxlength="64" pattern="[^,]+" required placeholder=${t('saved.set.name')} /></label>
    <button type="submit" class="go">${t('saved.save')}</button>
    <p class="refused" role="alert">${says}</p>
  </form>`;
}

/** When something happens, as one says it. @param {string | null} time */
const inWords = (time) => (time ? format.moment(Date.parse(time)) : '');

/**
 * @param {{search: SavedSearch, onEdit: (search: SavedSearch) => void, onClose: () => void}} props
 */
function Entry({ search, onEdit, onClose }) {
  const { perch, announce } = useContext(Page);
  const { saved } = perch;
  const [says, setSays] = useState('');
  const [isSure, setSure] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [tests, setTests] = useState(/** @type {Tested[] | null} */ (null));
  const [tries, setTries] = useState(/** @type {Try[] | null} */ (null));
  const { name, state, reason, next_try: nextTry, deliveries, tags = [], deliver = [] } = search;
  const query = queryOf(search);
  const delivered = deliveries.reduce((sum, delivery) => sum + delivery.delivered, 0);
  /** @param {() => Promise<unknown>} act */
  const run = (act) => async () => {
    setBusy(true);
    setSays('');
    try {
      await act();
    } catch (fault) {
      const { status, message } = faultOf(fault);
      setSays(status === 412 ? t('saved.changed') : message);
      if (status === 412) await saved.load();
    }
    setBusy(false);
  };
  const open = () => {
    perch.search(query, { own: true });
    onClose();
  };
  const pause = run(async () => {
    await saved.change(search, { paused: state !== 'paused' });
    announce(t(state === 'paused' ? 'saved.resumed' : 'saved.paused', { name }));
  });
  const test = run(async () => setTests(await saved.test(name)));
  const look = run(async () => setTries(tries ? null : await saved.tries(name)));
  const remove = run(async () => {
    await saved.remove(search);
    announce(t('saved.removed', { name }));
  });
  const place = (/** @type {number} */ at) => placeOf(deliver[at] ?? {});
  return html`<li>
    <div class="first">
      <button type="button" class="query" dir="auto" title=${t('saved.open')} onClick=${open}>${name}</button>
      <span class=${`state ${state}`}>${t(`saved.state.${state}`)}</span>
    </div>
    <code dir="auto">${query}</code>
    <p class="facts">
      <span>${deliver.length === 0 ? t('saved.nowhere') : deliver.map(placeOf).join(', ')}</span>
      ${deliver.length > 0 && html`<span>${t('saved.delivered', { n: delivered, count: format.count(delivered) })}</span>`}
      ${search.public && html`<a href=${feedsOf(name).atom} target="_blank" rel="noopener">${t('saved.feed')}</a>`}
      ${tags.map((tag) => html`<span class="tag">${tag}</span>`)}
    </p>
    ${reason && html`<p class="why">${reason}${nextTry && ` – ${t('saved.next', { time: inWords(nextTry) })}`}</p>`}
    <div class="acts">
      <button type="button" class="small" onClick=${open}>${t('saved.column')}</button>
      ${deliver.length > 0 &&
      html`<button type="button" class="small" disabled=${isBusy} onClick=${pause}>${t(state === 'paused' ? 'column.resume' : 'column.pause')}</button>
        <button type="button" class="small" disabled=${isBusy} onClick=${test}>${t('saved.test')}</button>
        <button type="button" class="small" disabled=${isBusy} aria-expanded=${tries !== null} onClick=${look}>${t('saved.tries')}</button>`}
      <button type="button" class="small" onClick=${() => onEdit(search)}>${t('saved.edit')}</button>
      <button type="button" class=${`small ${isSure ? 'bad' : ''}`} disabled=${isBusy} onBlur=${() => setSure(false)} onClick=${isSure ? remove : () => setSure(true)}>
        ${t(isSure ? 'saved.remove.sure' : 'saved.remove')}
      </button>
    </div>
    <div role="status">
      ${says && html`<p class="refused">${says}</p>`}
      ${tests?.map(({ deliver: at, status, error }) =>
        html`<p class=${error ? 'refused' : 'fine'}>${place(at)}: ${error ? t('saved.test.failed', { reason: error }) : t('saved.test.fine', { status: status ?? '' })}</p>`,
      )}
    </div>
    ${tries && (tries.length === 0 ? html`<p class="facts">${t('saved.tries.none')}</p>` : html`<${Tries} tries=${tries} place=${place} />`)}
  </li>`;
}

/** @param {{tries: Try[], place: (at: number) => string}} props */
function Tries({ tries, place }) {
  return html`<table class="tries">
    <thead>
      <tr><th scope="col">${t('saved.tries.time')}</th><th scope="col">${t('saved.tries.to')}</th><th scope="col">${t('saved.tries.events')}</th><th scope="col">${t('saved.tries.answer')}</th></tr>
    </thead>
    <tbody>
      ${tries.slice(0, MOST_TRIES).map(
        ({ at, deliver, events, status, error }) =>
          html`<tr class=${error ? 'refused' : ''}><td title=${format.full(Date.parse(at))}>${inWords(at)}</td><td>${place(deliver)}</td><td>${format.count(events)}</td><td>${error ?? status}</td></tr>`,
      )}
    </tbody>
  </table>`;
}
