// The search field: what is typed is checked while it is typed; recent and saved searches are below
// it.

import { useContext, useEffect, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { around, check, estimate, price } from '../lib/check.js';
import { rateOf } from '../lib/format.js';
import * as memory from '../lib/memory.js';
import { queryOf } from '../lib/saved.js';
import { completed } from '../lib/suggest.js';
import { CompletionList, comboboxAttributes, useCompletions } from './completions.js';
import { Page } from './context.js';
import { Icon, format, html, saveFile } from './html.js';

/** @typedef {import('../lib/check.js').Checked} Checked */

/** So long a search waits for its check. */
const CHECK_MS = 400;
/** How many saved searches are offered at one time. */
const MOST_SAVED = 8;
/** So long nothing is typed before it is checked. */
const PAUSE_MS = 200;

/**
 * @param {object} props
 * @param {string} props.text
 * @param {(text: string) => void} props.setText
 * @param {{current: HTMLInputElement | null}} props.field
 * @param {boolean} props.isNew whether the search goes into a column of its own
 * @param {() => void} props.endNew
 */
export function SearchBar({ text, setText, field, isNew, endNew }) {
  const { perch } = useContext(Page);
  const [isOpen, setOpen] = useState(false);
  const [checked, setChecked] = useState(/** @type {Checked | null} */ (null));
  const [caret, setCaret] = useState(0);
  /** The place of the chosen completion; none is -1. */
  const [active, setActive] = useState(-1);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const query = text.trim();
  const isWrong = checked?.query === query && checked.message !== undefined;

  useEffect(() => {
    if (!query || !isOpen) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const answer = await check(query, abort.signal, perch.token);
        if (abort.signal.aborted) return;
        setChecked(answer);
        if (answer.message !== undefined) return;
        const [counts, cost] = await Promise.all([estimate(perch.connection, query), price(query, abort.signal, perch.token).catch(() => ({}))]);
        if (!abort.signal.aborted) setChecked({ ...answer, ...counts, ...cost });
      } catch {
        // Not checked, then: the search itself will say.
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [query, isOpen]);

  // Completions are for what is typed, not for a search that is looked at again; Escape closes
  // them.
  const [isDismissed, setDismissed] = useState(true);
  const completions = useCompletions({ query: text, caret, isOpen: isOpen && !isDismissed, token: perch.token });
  const isCurrent = completions?.query === text && completions.caret === caret;
  const chosen = isCurrent ? completions.items[active] : undefined;

  /** @param {HTMLInputElement} input */
  const onType = (input) => {
    setText(input.value);
    setCaret(input.selectionStart ?? input.value.length);
    setActive(-1);
    setDismissed(false);
    setOpen(true);
  };
  /** The caret was moved. @param {HTMLInputElement} input */
  const onMove = (input) => {
    const next = input.selectionStart ?? 0;
    if (next === caret) return;
    setCaret(next);
    setActive(-1);
  };
  /** @param {import('../lib/suggest.js').Item} item */
  const accept = (item) => {
    const input = field.current;
    if (!isCurrent || !input) return;
    const next = completed(completions, item);
    // Set here already, so that the caret can be placed.
    input.value = next.query;
    input.focus();
    input.setSelectionRange(next.caret, next.caret);
    onType(input);
  };

  /** @param {string} wanted @param {boolean} own */
  const go = (wanted, own) => {
    setText(wanted);
    setOpen(false);
    perch.search(wanted, { own: own || isNew });
    field.current?.blur();
  };
  /** @param {SubmitEvent} event */
  const onSubmit = async (event) => {
    event.preventDefault();
    if (!query) return;
    const own = isNew || /** @type {HTMLElement | null} */ (event.submitter)?.dataset.own !== undefined;
    await submit(own);
  };
  /** @param {boolean} own */
  const submit = async (own) => {
    if (isWrong) return;
    // A mistake stays in the field, where it can be mended, and replaces no search. But nobody
    // waits for a slow server: then the column says what is wrong.
    if (checked?.query !== query) {
      const abort = new AbortController();
      const late = new Promise((resolve) => setTimeout(() => resolve(null), CHECK_MS));
      const answer = await Promise.race([check(query, abort.signal, perch.token).catch(() => null), late]);
      abort.abort();
      if (answer?.message !== undefined) return setChecked(answer);
    }
    go(query, own);
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    // Keys of an input method choose its own candidates.
    if (event.isComposing) return;
    const isInField = event.target === field.current;
    const isPlain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
    if (isInField && isPlain && chosen && (event.key === 'Enter' || event.key === 'Tab')) {
      event.preventDefault();
      accept(chosen);
    } else if (isInField && isPlain && isCurrent && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      // One more than the list has: the field itself, without a choice.
      const stops = completions.items.length + 1;
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setActive(((active + 1 + step + stops) % stops) - 1);
    } else if (event.key === 'Enter' && event.shiftKey) {
      event.preventDefault();
      void submit(true);
    } else if (event.key === 'Escape' && completions) {
      event.preventDefault();
      setActive(-1);
      setDismissed(true);
    } else if (event.key === 'Escape' && isOpen) {
      event.preventDefault();
      setOpen(false);
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const stops = [.../** @type {NodeListOf<HTMLElement>} */ (form.current?.querySelectorAll('input[name=q], .suggestion'))];
      const at = stops.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      const next = stops[at + (event.key === 'ArrowDown' ? 1 : -1)];
      if (at < 0 || !next) return;
      event.preventDefault();
      next.focus();
    }
  };
  /** @param {FocusEvent} event */
  const onFocusOut = (event) => {
    if (form.current?.contains(/** @type {Node | null} */ (event.relatedTarget))) return;
    setOpen(false);
    if (isNew) endNew();
  };

  const isSaved = perch.memory.value.saved.some((entry) => entry.query === query);
  return html`<form class="search" role="search" ref=${form} onSubmit=${onSubmit} onKeyDown=${onKeyDown} onFocusOut=${onFocusOut}>
    <div class=${`field ${isWrong ? 'wrong' : ''}`}>
      <${Icon} name="search" />
      <input
        ref=${field}
        type="text"
        inputmode="search"
        name="q"
        dir="auto"
        autocomplete="off"
        autocapitalize="off"
        spellcheck=${false}
        maxlength="16384"
        enterkeyhint="search"
        aria-label=${t('search.label')}
        ...${comboboxAttributes(completions, chosen ? active : -1)}
        aria-describedby="search-says"
        aria-invalid=${isWrong}
        placeholder=${t(isNew ? 'search.new' : 'search.placeholder')}
        value=${text}
        onInput=${(/** @type {any} */ event) => onType(event.target)}
        onKeyUp=${(/** @type {any} */ event) => onMove(event.target)}
        onFocus=${() => {
          setOpen(true);
          setDismissed(true);
        }}
        onClick=${(/** @type {any} */ event) => {
          setOpen(true);
          onMove(event.target);
        }}
      />
      ${query &&
      html`<button
        type="button"
        class=${`bare star ${isSaved ? 'on' : ''}`}
        aria-pressed=${isSaved}
        aria-label=${t('search.save')}
        title=${t(isSaved ? 'search.unsave' : 'search.save')}
        onClick=${() => perch.remember(memory.toggled(perch.memory.value, query))}
      >
        <${Icon} name=${isSaved ? 'starred' : 'star'} />
      </button>`}
      <button type="submit" class="go">${t('search.go')}</button>
      ${perch.columns.value.length > 0 &&
      html`<button type="submit" class="bare own" data-own aria-label=${t('search.add')} title=${`${t('search.add')} (${t('search.add.hint')})`}><${Icon} name="plus" /></button>`}
    </div>
    <div class="below" hidden=${!isOpen}>
      <${CompletionList} completions=${completions} active=${chosen ? active : -1} accept=${accept} />
      <div id="search-says" aria-live="polite">${query && html`<${Says} query=${query} checked=${checked} />`}</div>
      ${isOpen && html`<${Remembered} query=${query} typed=${isDismissed ? '' : query} go=${go} />`}
    </div>
  </form>`;
}

/**
 * A query that is wrong, with a mark where.
 *
 * @param {{query: string, message: string, column?: number, length?: number}} props column: from 1
 */
export function Mistake({ query, message, column, length = 0 }) {
  const [before, wrong, after] = column ? around(query, column, length) : [query, '', ''];
  return html`<div class="mistake">
    ${column !== undefined && html`<pre dir="ltr" aria-hidden="true">${before}<span class=${wrong ? 'wrong' : 'wrong gap'}>${wrong || '\u2038'}</span>${after}</pre>`}
    <p>${column ? t('search.wrong', { column, message }) : message}</p>
  </div>`;
}

/** @param {{query: string, checked: Checked | null}} props */
function Says({ query, checked }) {
  if (!checked || checked.query !== query) return null;
  if (checked.message !== undefined) return html`<${Mistake} query=${query} message=${checked.message} column=${checked.column} length=${checked.length} />`;
  const rate = checked.rate ? rateOf(checked.rate) : null;
  return html`<div class="understood">
    ${checked.canonical && checked.canonical !== query && html`<p title=${checked.words}>${t('search.understood')} <code>${checked.canonical}</code></p>`}
    ${checked.warnings?.map((warning) => html`<p class="warning">${warning}</p>`)}
    ${checked.total !== undefined &&
    html`<p class="estimate">
      ${checked.total > 0 ? t('search.total', { n: checked.total, count: format.count(checked.total) }) : t('search.none')}${rate &&
      html`, <strong>${t('search.rate', { n: format.decimal(rate.n), unit: t(`unit.${rate.unit}`) })}</strong>`}${typeof checked.share === 'number' &&
      html`, <span title=${t('search.price.title')}>${t('search.price', { share: format.percent(checked.share) })}</span>`}
    </p>`}
  </div>`;
}

/**
 * @param {{query: string, typed: string, go: (query: string, own: boolean) => void}} props typed:
 *   what is looked for; empty while nothing is typed
 */
function Remembered({ query, typed, go }) {
  const { perch, announce } = useContext(Page);
  const { recent, saved } = perch.memory.value;
  const [says, setSays] = useState('');
  /** @param {string} other */
  const fits = (other) => other.toLowerCase().includes(typed.toLowerCase());
  // Those that the server keeps have names; those of this browser mostly are their own name.
  const named = perch.saved.list.value.map((search) => ({ query: queryOf(search), name: search.name }));
  const all = [...named, ...saved.filter((entry) => !named.some((other) => other.query === entry.query))];
  const shownSaved = all.filter((entry) => entry.query !== query && (fits(entry.query) || fits(entry.name))).slice(0, MOST_SAVED);
  const shownRecent = recent.filter((other) => other !== query && fits(other) && !all.some((entry) => entry.query === other)).slice(0, 6);
  const onFile = async (/** @type {any} */ event) => {
    const file = event.target.files[0];
    if (!file) return;
    let message;
    try {
      const { memory: next, added } = memory.imported(perch.memory.value, await file.text());
      perch.remember(next);
      message = t('search.imported', { n: added });
    } catch {
      message = t('search.import.wrong');
    }
    setSays(message);
    announce(message);
  };
  /** @param {string} text @param {string} label */
  const button = (text, label) =>
    html`<li>
      <button type="button" class="suggestion" dir="auto" onClick=${(/** @type {MouseEvent} */ event) => go(text, event.shiftKey)}>${label}</button>
    </li>`;
  return html`<div class="remembered">
    ${shownSaved.length > 0 && html`<h3>${t('search.saved')}</h3><ul>${shownSaved.map((entry) => button(entry.query, entry.name))}</ul>`}
    ${shownRecent.length > 0 && html`<h3>${t('search.recent')}</h3><ul>${shownRecent.map((other) => button(other, other))}</ul>`}
    ${!query &&
    html`<div class="keep">
      ${saved.length + recent.length > 0 &&
      html`<button type="button" class="small" onClick=${() => saveFile('perch-searches.json', memory.exported(perch.memory.value), 'application/json')}>${t('search.export')}</button>`}
      <label class="small file" tabindex="-1">${t('search.import')}<input type="file" accept=".json,application/json" onChange=${onFile} /></label>
      ${recent.length > 0 && html`<button type="button" class="small" onClick=${() => perch.remember({ ...perch.memory.value, recent: [] })}>${t('search.forget')}</button>`}
      <span>${says}</span>
    </div>`}
  </div>`;
}
