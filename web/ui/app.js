// The whole page.

import { useContext, useEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { signal } from '../vendor/signals.js';
import { narrowed } from '../lib/urls.js';
import { t } from '../strings.js';
import { ColumnView } from './column.js';
import { Page } from './context.js';
import { Icon, LEAST_RATE, copy, format, html, perSecond } from './html.js';
import { lazy, loadLater } from './lazy.js';
import { SearchBar } from './search.js';
import { Start } from './start.js';

/** @typedef {import('../lib/column.js').Column} Column */
/** @typedef {import('../lib/state.js').Perch} Perch */
/** @typedef {import('../lib/tweet.js').Tweet} Tweet */

const [Analysis, Saved] = [lazy('Analysis'), lazy('Saved')];
const [Choice, Help, Json, Sources, Token] = [lazy('Choice'), lazy('Help'), lazy('Json'), lazy('Sources'), lazy('Token')];
/** So long after the start what opens later is loaded, so that a click on it does not wait. */
const LATER_MS = 3000;

const THEMES = /** @type {const} */ (['auto', 'light', 'dark']);
/** As wide as this, the analysis of a single search has room beside it. */
const WIDE = '(min-width: 1100px)';
/** Narrower than this, one column fills the screen. */
const NARROW = '(max-width: 640px)';
/** So long a closed column can be opened again by a button. */
const UNDO_MS = 10_000;
/** So long after the last scroll event a swipe is over. */
const SETTLED_MS = 120;

/** @param {{perch: Perch}} props */
export function App({ perch }) {
  const columns = perch.columns.value;
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [text, setText] = useState('');
  const [isHelp, setHelp] = useState(false);
  const [json, setJson] = useState(/** @type {Tweet | null} */ (null));
  /** Whether what is typed goes into a column of its own. */
  const [isNew, setNew] = useState(false);
  const [isToken, setToken] = useState(false);
  const [isSources, setSources] = useState(false);
  const [shownSaved, setShownSaved] = useState(/** @type {{query: string | null} | null} */ (null));
  const [choice, setChoice] = useState(/** @type {{column: Column, term: string} | null} */ (null));
  const [said, setSaid] = useState('');
  const analysis = useMemo(() => signal(''), []);
  const wasClosed = useRef(false);

  const activeQuery = perch.activeColumn?.query ?? '';
  useEffect(() => setText(activeQuery), [perch.active.value, activeQuery]);
  useTheme(perch);
  useEffect(() => {
    // What can't be loaded now is loaded when it is needed.
    const timer = setTimeout(() => loadLater().catch(() => {}), LATER_MS);
    return () => clearTimeout(timer);
  }, []);

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
      showSources: () => setSources(true),
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
  const startNew = () => {
    setNew(true);
    setText('');
    field.current?.focus();
  };
  const endNew = () => {
    setNew(false);
    if (!field.current?.value) setText(activeQuery);
  };
  useKeys(context, field, () => setHelp(true), startNew);

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
      <${SearchBar} text=${text} setText=${setText} field=${field} isNew=${isNew} endNew=${endNew} />
      <${Stats} perch=${perch} />
      <div class="tools">
        ${columns.length > 0 && html`<${ShareButton} />`}
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
        ${columns.length === 0 && html`<${Start} tryQuery=${tryQuery} />`}
        ${columns.map((column, at) => html`<${ColumnView} key=${column.name} column=${column} at=${at} n=${columns.length} />`)}
      </main>
      ${analysed && html`<${Analysis} key=${analysed.name} column=${analysed} onClose=${() => context.toggleAnalysis(analysed)} />`}
    </div>
    <${Undo} perch=${perch} />
    <div class="unseen" role="status" aria-live="polite">${said}</div>
    ${isHelp && html`<${Help} onClose=${() => setHelp(false)} onTry=${tryQuery} />`} ${json && html`<${Json} tweet=${json} onClose=${() => setJson(null)} />`}
    ${choice && html`<${Choice} ...${choice} onClose=${() => setChoice(null)} />`}
    ${shownSaved && html`<${Saved} query=${shownSaved.query} onClose=${() => setShownSaved(null)} />`}
    ${isSources && html`<${Sources} onClose=${() => setSources(false)} />`} ${isToken && html`<${Token} onClose=${() => setToken(false)} />`}
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

/** Says which column was closed, and opens it again. @param {{perch: Perch}} props */
function Undo({ perch }) {
  const closed = perch.closed.value;
  useEffect(() => {
    if (!closed) return undefined;
    const timer = setTimeout(() => (perch.closed.value = null), UNDO_MS);
    return () => clearTimeout(timer);
  }, [closed]);
  return html`<div class="undo" role="status">
    ${closed && html`<p><span>${t('undo.closed', { query: closed.place.query })}</span> <button type="button" class="small" onClick=${() => perch.undo()}>${t('undo.undo')} <kbd aria-hidden="true">z</kbd></button></p>`}
  </div>`;
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

/** So long it is said that the link is copied. */
const COPIED_MS = 4000;

/**
 * The button that copies the address: it has all columns and their orders. Phones offer their own
 * ways to send it.
 */
function ShareButton() {
  const { announce } = useContext(Page);
  const [says, setSays] = useState(/** @type {import('../strings.js').Key} */ ('share.title'));
  const address = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const timer = setTimeout(() => setSays('share.title'), COPIED_MS);
    return () => clearTimeout(timer);
  }, [says]);
  const onClick = async () => {
    if (matchMedia(NARROW).matches && 'share' in navigator) {
      // Who thinks better of it has seen that nothing was sent.
      await navigator.share({ title: document.title, url: location.href }).catch(() => {});
      return;
    }
    const key = (await copy(location.href, address.current)) ? 'share.copied' : 'share.failed';
    setSays(key);
    announce(t(key));
  };
  return html`<button type="button" class=${`bare ${says === 'share.copied' ? 'on' : ''}`} aria-label=${t(says)} title=${t(says)} onClick=${onClick}>
    <${Icon} name=${says === 'share.copied' ? 'done' : 'share'} /><span ref=${address} class="unseen" aria-hidden="true">${location.href}</span>
  </button>`;
}

/** The button that opens the list; it has a mark where a delivery fails. */
function SavedButton() {
  const { perch, showSaved } = useContext(Page);
  const isFailing = perch.saved.list.value.some(({ state }) => state === 'failing');
  const label = `${t('saved.title')}${isFailing ? `: ${t('saved.failing')}` : ''}`;
  return html`<button type="button" class=${`bare ${isFailing ? 'failing' : ''}`} aria-label=${label} title=${label} onClick=${() => showSaved(null)}><${Icon} name="bell" /></button>`;
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

/**
 * @param {import('./context.js').PageContext} context
 * @param {{current: HTMLInputElement | null}} field
 * @param {() => void} help
 * @param {() => void} startNew
 */
function useKeys({ perch, analysis, toggleAnalysis }, field, help, startNew) {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const onKeyDown = (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest('input, select, textarea, dialog, [contenteditable]')) return;
      const columns = perch.columns.value;
      const column = perch.activeColumn;
      const place = column ? columns.indexOf(column) : -1;
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
        '[': () => activate(perch, place - 1),
        ']': () => activate(perch, place + 1),
        n: startNew,
        x: () => column && perch.close(column),
        z: () => perch.undo(),
        ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [String(at + 1), () => at < columns.length && activate(perch, at)])),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}

/**
 * Closes the analysis, and goes back to its column.
 *
 * @param {import('../vendor/signals.js').Signal<string>} analysis
 */
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

/** @param {Perch} perch @param {number} at */
function activate(perch, at) {
  const columns = perch.columns.value;
  const next = columns[Math.max(0, Math.min(at, columns.length - 1))];
  if (!next) return;
  perch.active.value = next.name;
  const element = elementOf(next);
  element?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  /** @type {HTMLElement | null | undefined} */ (element?.querySelector('.scroller'))?.focus();
}
