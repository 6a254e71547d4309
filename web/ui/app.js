// The whole page.

import { useEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { signal } from '../vendor/signals.js';
import { narrowed } from '../lib/urls.js';
import { t } from '../strings.js';
import { Analysis } from './analysis.js';
import { ColumnView } from './column.js';
import { Page } from './context.js';
import { Icon, LEAST_RATE, format, html, perSecond } from './html.js';
import { Saved, SavedButton } from './saved.js';
import { SearchBar } from './search.js';
import { Choice, Help, Json, Token } from './sheets.js';

/** @typedef {import('../lib/column.js').Column} Column */
/** @typedef {import('../lib/state.js').Perch} Perch */
/** @typedef {import('../lib/tweet.js').Tweet} Tweet */

const THEMES = /** @type {const} */ (['auto', 'light', 'dark']);
/** As wide as this, the analysis of a single search has room beside it. */
const WIDE = '(min-width: 1100px)';
/** Narrower than this, one column fills the screen. */
const NARROW = '(max-width: 640px)';
/** So long after the last scroll event a swipe is over. */
const SETTLED_MS = 120;
const TRY = ['*', 'coffee OR tea', '#election', 'lang:en has:links', 'followers:>=1000 -is:retweet'];

/** @param {{perch: Perch}} props */
export function App({ perch }) {
  const columns = perch.columns.value;
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [text, setText] = useState('');
  const [isHelp, setHelp] = useState(false);
  const [json, setJson] = useState(/** @type {Tweet | null} */ (null));
  const [isToken, setToken] = useState(false);
  const [shownSaved, setShownSaved] = useState(/** @type {{query: string | null} | null} */ (null));
  const [choice, setChoice] = useState(/** @type {{column: Column, term: string} | null} */ (null));
  const [said, setSaid] = useState('');
  const analysis = useMemo(() => signal(''), []);
  const wasClosed = useRef(false);

  const activeQuery = perch.activeColumn?.query ?? '';
  useEffect(() => setText(activeQuery), [perch.active.value, activeQuery]);
  useTheme(perch);

  /** @type {import('./context.js').PageContext} */
  const context = useMemo(
    () => ({
      perch,
      analysis,
      searchTerm: (column, term, add) => {
        perch.active.value = column.name;
        perch.search(add ? narrowed(column.query, term) : term);
      },
      chooseTerm: (column, term) => setChoice({ column, term }),
      showJson: setJson,
      showSaved: (query) => setShownSaved({ query }),
      toggleAnalysis: (column) => {
        wasClosed.current = analysis.value === column.name;
        analysis.value = wasClosed.current ? '' : column.name;
      },
      edit: (column) => {
        perch.active.value = column.name;
        setText(column.query);
        field.current?.focus();
        field.current?.select();
      },
      announce: setSaid,
    }),
    [perch],
  );
  useKeys(context, field, () => setHelp(true));

  // A column that is opened is looked at.
  const names = useRef(/** @type {string[]} */ ([]));
  useEffect(() => {
    const isNew = !names.current.includes(perch.active.value);
    names.current = columns.map((column) => column.name);
    if (isNew) elementOf(perch.activeColumn)?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [columns, perch.active.value]);

  // One search on a wide screen has its analysis beside it, until it is closed by hand.
  useEffect(() => {
    const only = columns.length === 1 ? columns[0] : undefined;
    if (only && !wasClosed.current && matchMedia(WIDE).matches) analysis.value = only.name;
    else if (!columns.some((column) => column.name === analysis.value)) analysis.value = '';
  }, [columns]);
  const { state } = perch.connection$.value;
  // It stays through a lost connection: somebody may be typing.
  useEffect(() => setToken((isOpen) => state === 'locked' || (isOpen && state !== 'open')), [state]);
  const analysed = columns.find((column) => column.name === analysis.value);

  // On a phone the column that was swiped to is the one that is spoken to.
  const settled = useRef(/** @type {any} */ (null));
  const onScroll = (/** @type {any} */ event) => {
    const element = event.currentTarget;
    if (!matchMedia(NARROW).matches) return;
    clearTimeout(settled.current);
    settled.current = setTimeout(() => {
      const shown = columns[Math.round(element.scrollLeft / element.clientWidth)];
      if (shown) perch.active.value = shown.name;
    }, SETTLED_MS);
  };
  /** @param {string} query */
  const tryQuery = (query) => {
    setHelp(false);
    perch.search(query);
  };
  return html`<${Page.Provider} value=${context}>
    <a class="skip" href="#columns">${t('skip')}</a>
    <header class="top">
      <a class="brand" href="./" aria-label=${t('app.name')} onClick=${goHome(perch)}><img src="icon.svg" alt="" width="26" height="26" /><span>${t('app.name')}</span></a>
      <${SearchBar} text=${text} setText=${setText} field=${field} />
      <${Stats} perch=${perch} />
      <div class="tools">
        <${SavedButton} />
        <${ThemeButton} perch=${perch} />
        <button type="button" class="bare" aria-label=${t('help.open')} title=${`${t('help.open')} (?)`} onClick=${() => setHelp(true)}><${Icon} name="help" /></button>
      </div>
    </header>
    <${Banner} perch=${perch} onUnlock=${() => setToken(true)} />
    <${Strip} perch=${perch} />
    <div class="body">
      <main id="columns" class=${`columns n${Math.min(columns.length, 9)}`} tabindex="-1" aria-label=${t('columns.label')} onScroll=${onScroll}>
        <h1 class="unseen">${t('app.name')}: ${t('app.tagline')}</h1>
        ${columns.length === 0 && html`<${Start} tryQuery=${tryQuery} perch=${perch} />`}
        ${columns.map((column, at) => html`<${ColumnView} key=${column.name} column=${column} at=${at} n=${columns.length} />`)}
      </main>
      ${analysed && html`<${Analysis} key=${analysed.name} column=${analysed} onClose=${() => context.toggleAnalysis(analysed)} />`}
    </div>
    <div class="unseen" role="status" aria-live="polite">${said}</div>
    ${isHelp && html`<${Help} onClose=${() => setHelp(false)} onTry=${tryQuery} />`} ${json && html`<${Json} tweet=${json} onClose=${() => setJson(null)} />`}
    ${choice && html`<${Choice} ...${choice} onClose=${() => setChoice(null)} />`}
    ${shownSaved && html`<${Saved} query=${shownSaved.query} onClose=${() => setShownSaved(null)} />`}
    ${isToken && html`<${Token} onClose=${() => setToken(false)} />`}
  <//>`;
}

/** The columns by name, where only one of them is seen. @param {{perch: Perch}} props */
function Strip({ perch }) {
  const columns = perch.columns.value;
  const strip = useRef(/** @type {HTMLElement | null} */ (null));
  const active = perch.active.value;
  useEffect(() => strip.current?.querySelector('[aria-current=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [active]);
  if (columns.length < 2) return null;
  const show = (/** @type {Column} */ column) => {
    perch.active.value = column.name;
    elementOf(column)?.scrollIntoView({ block: 'nearest', inline: 'start' });
  };
  return html`<nav class="strip" ref=${strip} aria-label=${t('columns.strip')}>
    ${columns.map(
      (column) => html`<button type="button" dir="auto" aria-current=${column.name === active ? 'true' : undefined} onClick=${() => show(column)}>${perch.saved.of(column.query)?.name ?? column.query}</button>`,
    )}
  </nav>`;
}

/** @param {Perch} perch */
const goHome = (perch) => (/** @type {MouseEvent} */ event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (perch.columns.value.length > 0) perch.visit([]);
};

/** @param {Perch} perch */
function useTheme(perch) {
  const { theme } = perch.memory.value;
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const apply = () => {
      document.documentElement.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
    };
    apply();
    dark.addEventListener('change', apply);
    return () => dark.removeEventListener('change', apply);
  }, [theme]);
}

/** @param {{perch: Perch}} props */
function ThemeButton({ perch }) {
  const { theme } = perch.memory.value;
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
  return html`<button
    type="button"
    class="bare theme"
    aria-label=${t(`theme.${theme}`)}
    title=${t(`theme.${theme}`)}
    onClick=${() => perch.remember({ ...perch.memory.value, theme: next })}
  >
    <${Icon} name=${theme} />
  </button>`;
}

/** @param {{perch: Perch}} props */
function Stats({ perch }) {
  const { state, behind } = perch.connection$.value;
  const users = perch.users.value;
  const tweets = perch.tweets.value;
  return html`<ul class="stats" aria-label=${t('stats.label')}>
    <li class=${`connection ${behind ? 'behind' : state}`} data-state=${state}>${t(behind ? 'connection.behind' : `connection.${state}`)}</li>
    ${tweets > 0 && html`<li class="wide"><b>${format.short(tweets)}</b> ${t('stats.tweets', { n: tweets })}</li>`}
    ${users > 0 && html`<li class="wide"><b>${format.short(users)}</b> ${t('stats.users', { n: users })}</li>`}
    <${Loaded} perch=${perch} />
  </ul>`;
}

/** @param {{perch: Perch}} props */
function Loaded({ perch }) {
  const now = perch.second.value;
  const columns = perch.columns.value;
  if (columns.length === 0) return null;
  const loaded = columns.reduce((sum, column) => sum + column.feed.size, 0);
  const rate = columns.reduce((sum, column) => sum + column.rate(now), 0);
  return html`<li class="wide"><b>${format.short(loaded)}</b> ${t('stats.loaded')}</li>
    ${rate >= LEAST_RATE && html`<li class="wide"><b>${perSecond(rate)}</b> ${t('stats.rate')}</li>`}`;
}

/** @param {{perch: Perch, onUnlock: () => void}} props */
function Banner({ perch, onUnlock }) {
  const { state, attempt, retryAt, reason, behind } = perch.connection$.value;
  const withheld = perch.withheldNow;
  // What changes every second is not read out every second.
  if (state === 'open' && withheld > 0)
    return html`<div class="banner" role="status">
      <span>${t('banner.withheld')}</span><span class="ticks" aria-hidden="true">${t('banner.withheld.count', { count: format.count(withheld) })}</span>
    </div>`;
  if (state === 'open')
    return behind
      ? html`<div class="banner" role="status">
          <span>${t('banner.behind')}</span>
          <button type="button" class="small" onClick=${() => perch.connection.skip()}>${t('banner.skip')}</button>
        </div>`
      : null;
  if (state === 'locked')
    return html`<div class="banner" role="status">
      <span>${t('banner.locked')}</span><button type="button" class="small" onClick=${onUnlock}>${t('banner.unlock')}</button>
    </div>`;
  if (state === 'closed' && attempt === 0 && !reason) return null;
  if (state === 'closed') return html`<div class="banner bad" role="alert">${t('banner.closed', { reason })}</div>`;
  if (attempt === 0) return null;
  const seconds = Math.max(0, Math.ceil((retryAt - Math.max(perch.second.value, Date.now() - 999)) / 1000));
  return html`<div class="banner" role="status">
    <span>${t('banner.waiting')}</span>
    <span class="ticks" aria-hidden="true">${state === 'connecting' ? t('banner.trying') : t('banner.again', { n: seconds })}</span>
    ${state === 'waiting' && html`<button type="button" class="small" onClick=${() => perch.connection.connect()}>${t('banner.now')}</button>`}
  </div>`;
}

/** @param {{tryQuery: (query: string) => void, perch: Perch}} props */
function Start({ tryQuery, perch }) {
  const saved = perch.memory.value.saved.map((entry) => entry.query).slice(0, 8);
  return html`<div class="start">
    <img src="icon.svg" alt="" width="72" height="72" />
    <h2>${t('start.title')}</h2>
    <p>${t('start.text')}</p>
    <h3>${t(saved.length > 0 ? 'search.saved' : 'start.try')}</h3>
    <ul>
      ${(saved.length > 0 ? saved : TRY).map(
        (query) => html`<li><button type="button" class="example" dir="auto" onClick=${() => tryQuery(query)}><code>${query}</code></button></li>`,
      )}
    </ul>
  </div>`;
}

/**
 * @param {import('./context.js').PageContext} context
 * @param {{current: HTMLInputElement | null}} field
 * @param {() => void} help
 */
function useKeys({ perch, analysis, toggleAnalysis }, field, help) {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const onKeyDown = (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest('input, select, textarea, dialog, [contenteditable]')) return;
      const column = perch.activeColumn;
      const act = {
        '/': () => {
          field.current?.focus();
          field.current?.select();
        },
        '?': help,
        j: () => step(column, 1),
        k: () => step(column, -1),
        t: () => toTop(column),
        p: () => column && (column.pause.value === '' || column.pause.value === 'held' ? column.stand('hand') : column.resume()),
        a: () => column && toggleAnalysis(column),
        // Over the columns it is in the way; beside them it is not.
        Escape: matchMedia(WIDE).matches || analysis.value === '' ? undefined : () => closeAnalysis(analysis),
        '[': () => activate(perch, -1),
        ']': () => activate(perch, 1),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}

/** Closes the analysis, and goes back to its column. @param {import('../vendor/signals.js').Signal<string>} analysis */
function closeAnalysis(analysis) {
  const column = document.querySelector(`[data-column="${analysis.value}"]`);
  analysis.value = '';
  /** @type {HTMLElement | null | undefined} */ (column?.querySelector('.scroller'))?.focus();
}

/** @param {Column | undefined} column */
const elementOf = (column) => (column ? document.querySelector(`[data-column="${column.name}"]`) : null);

/** @param {Column | undefined} column @param {number} by */
function step(column, by) {
  const tweets = /** @type {HTMLElement[]} */ ([...(elementOf(column)?.querySelectorAll('.tweet') ?? [])]);
  const at = tweets.findIndex((tweet) => tweet.contains(document.activeElement));
  const next = tweets[at < 0 ? 0 : at + by];
  // Who goes from tweet to tweet reads: they stand still.
  if (next) column?.stand('reading');
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

/** @param {Column | undefined} column */
function toTop(column) {
  const scroller = elementOf(column)?.querySelector('.scroller');
  if (scroller) scroller.scrollTop = 0;
  if (column?.pause.value === 'reading') column.resume();
}

/** @param {Perch} perch @param {number} by */
function activate(perch, by) {
  const columns = perch.columns.value;
  const at = columns.findIndex((column) => column.name === perch.active.value);
  const next = columns[Math.max(0, Math.min(at + by, columns.length - 1))];
  if (!next) return;
  perch.active.value = next.name;
  const element = elementOf(next);
  element?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  /** @type {HTMLElement | null | undefined} */ (element?.querySelector('.scroller'))?.focus();
}
