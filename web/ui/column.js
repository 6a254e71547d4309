// A column: its heading, its tweets, and what there is to say about them.

import { useContext, useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { ORDERS } from '../lib/feed.js';
import { Page } from './context.js';
import { Icon, LEAST_RATE, format, html, perSecond } from './html.js';
import { lazy } from './lazy.js';
import { Mistake } from './search.js';
import { Sparkline } from './spark.js';
import { TweetItem } from './tweet.js';

/** @typedef {import('../lib/column.js').Column} Column */

const ColumnMenu = lazy('ColumnMenu');

/**
 * How many tweets an endless column draws at first, how many more each time an end comes near, and
 * how many at one time.
 */
const FIRST = 14;
const MORE = 60;
const WINDOW = 240;
/** Faster than this, a second, tweets come without being faded in. */
const FADED_RATE = 3;
/** A pointer that does not move for so long is not pointing at anything. */
const POINTING_MS = 60_000;
/** Scrolled further than this, somebody reads. */
const READING_PX = 40;

/**
 * The column that is being dragged: what it carries can't be read before it is dropped.
 *
 * @type {Column | null}
 */
let dragged = null;

/** @param {{column: Column, at: number, n: number}} props */
export function ColumnView({ column, at, n }) {
  const { perch, announce } = useContext(Page);
  const isActive = perch.active.value === column.name;
  const { width, density } = column.settings.value;
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const [drop, setDrop] = useState('');
  const section = useRef(/** @type {HTMLElement | null} */ (null));
  useAnnouncement(column, announce);
  // Not drawn by the view, which would draw all of the column with it.
  useEffect(
    () =>
      column.version.subscribe(() => {
        const data = section.current?.dataset ?? {};
        data.size = String(column.feed.size);
        data.busy = String(column.pace.rate(Date.now()) > FADED_RATE);
      }),
    [column],
  );
  const isSeen = useSeen(section);

  /** @param {KeyboardEvent} event */
  const onGripKey = (event) => {
    const to = event.key === 'ArrowLeft' ? at - 1 : event.key === 'ArrowRight' ? at + 1 : at;
    if (to === at || to < 0 || to >= n) return;
    event.preventDefault();
    perch.move(column, to);
    announce(t('column.moved', { at: to + 1, n }));
    // The handle keeps the focus where the column went.
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(`[data-column="${column.name}"] .grip`))?.focus());
  };
  /** @param {DragEvent} event */
  const onDragStart = (event) => {
    dragged = column;
    event.dataTransfer?.setData('text/x-perch-column', column.name);
    if (event.dataTransfer) event.dataTransfer.effectAllowed = 'move';
  };
  /** @param {DragEvent} event */
  const onDragOver = (event) => {
    if (!event.dataTransfer?.types.includes('text/x-perch-column')) return;
    event.preventDefault();
    // It takes the place of this one, which makes room.
    const from = dragged ? perch.columns.value.indexOf(dragged) : -1;
    setDrop(from === at || from < 0 ? '' : from < at ? 'after' : 'before');
  };
  /** @param {DragEvent} event */
  const onDragLeave = (event) => {
    if (!(/** @type {HTMLElement} */ (event.currentTarget).contains(/** @type {Node | null} */ (event.relatedTarget)))) setDrop('');
  };
  /** @param {DragEvent} event */
  const onDrop = (event) => {
    setDrop('');
    const name = event.dataTransfer?.getData('text/x-perch-column');
    const moved = perch.columns.value.find((other) => other.name === name);
    if (!moved) return;
    event.preventDefault();
    perch.move(moved, at);
  };

  return html`<section
    ref=${section}
    class=${`column ${isActive ? 'active' : ''} ${width} ${density} ${drop && `drop-${drop}`}`}
    data-column=${column.name}
    aria-label=${t('column.label', { query: column.query })}
    onFocusIn=${() => (perch.active.value = column.name)}
    onPointerDown=${() => (perch.active.value = column.name)}
    onDragOver=${onDragOver}
    onDragLeave=${onDragLeave}
    onDrop=${onDrop}
  >
    <${Heading} column=${column} at=${at} n=${n} onGripKey=${onGripKey} onDragStart=${onDragStart} scroller=${scroller} />
    <${Progress} column=${column} />
    <${NewButton} column=${column} scroller=${scroller} />
    <${Tweets} column=${column} scroller=${scroller} isSeen=${isSeen} />
  </section>`;
}

/** How far beside the screen a column is drawn already. */
const BESIDE = '0px 200px';

/** Whether something is on the screen, or nearly. @param {{current: HTMLElement | null}} element */
function useSeen(element) {
  const [isSeen, setSeen] = useState(true);
  useEffect(() => {
    if (!element.current) return undefined;
    const observer = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting ?? true), { rootMargin: BESIDE });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return isSeen;
}

/**
 * Holds a column still while someone points at its tweets, or has the focus in one: what is under
 * the pointer stays there.
 *
 * @param {Column} column
 * @param {{current: HTMLElement | null}} scroller
 */
function useHold(column, scroller) {
  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    let isPointing = false;
    let [x, y] = [-1, -1];
    /** @type {any} */
    let timer = null;
    const hasFocus = () => element !== document.activeElement && element.contains(document.activeElement) && document.activeElement?.matches(':focus-visible');
    const hold = () => column.stand('held');
    const release = () => {
      if (column.pause.value === 'held' && !isPointing && !hasFocus()) column.resume();
    };
    const leave = () => {
      clearTimeout(timer);
      isPointing = false;
      release();
    };
    /** @param {PointerEvent} event */
    const move = (event) => {
      // A finger does not hover; and a pointer under which something else has come did not move.
      if (event.pointerType === 'touch' || (event.clientX === x && event.clientY === y)) return;
      [x, y] = [event.clientX, event.clientY];
      isPointing = true;
      clearTimeout(timer);
      timer = setTimeout(leave, POINTING_MS);
      hold();
    };
    /** Who goes to the button that counts what is new still points. @param {PointerEvent} event */
    const over = (event) => {
      if (isPointing && !(/** @type {Element} */ (event.target).closest('.scroller, .new'))) leave();
    };
    const focus = () => hasFocus() && hold();
    /** The focus has gone once the event is over. */
    const blur = () => setTimeout(release);
    element.addEventListener('pointermove', move);
    const section = /** @type {HTMLElement} */ (element.parentElement);
    section.addEventListener('pointerover', over);
    section.addEventListener('pointerleave', leave);
    element.addEventListener('focusin', focus);
    element.addEventListener('focusout', blur);
    return () => {
      clearTimeout(timer);
      element.removeEventListener('pointermove', move);
      section.removeEventListener('pointerover', over);
      section.removeEventListener('pointerleave', leave);
      element.removeEventListener('focusin', focus);
      element.removeEventListener('focusout', blur);
    };
  }, [column]);
}

/**
 * Says how many are new, now and then.
 *
 * @param {Column} column
 * @param {(text: string) => void} announce
 */
function useAnnouncement(column, announce) {
  const said = useRef(0);
  useEffect(() => {
    const timer = setInterval(() => {
      const n = column.feed.pushed - said.current;
      said.current = column.feed.pushed;
      if (n > 0) announce(t('column.announce', { n, query: column.query }));
    }, 20_000);
    return () => clearInterval(timer);
  }, [column]);
}

/**
 * @param
 *   {{column: Column, at: number, n: number, onGripKey: any, onDragStart: any, scroller: {current:
 *     HTMLElement | null}}}
 *   props
 */
function Heading({ column, at, n, onGripKey, onDragStart, scroller }) {
  const { perch, edit, toggleAnalysis, analysis, showSaved } = useContext(Page);
  void column.version.value;
  const saved = perch.saved.of(column.query);
  const bell = saved ? t('saved.bell.on', { name: saved.name }) : t('saved.bell');
  const total = column.feed.total;
  const isOpen = perch.connection$.value.state === 'open';
  const isFailed = column.error.value !== null;
  const isPaused = column.pause.value !== '' && column.pause.value !== 'held';
  const isByHand = column.pause.value === 'hand';
  const goOn = () => {
    column.resume();
    if (scroller.current) scroller.current.scrollTop = 0;
  };
  return html`<header class="heading">
    <div class="first">
      ${n > 1 &&
      html`<button type="button" class="grip bare" draggable="true" aria-label=${t('column.drag')} title=${t('column.drag')} onKeyDown=${onGripKey} onDragStart=${onDragStart}>
        <${Icon} name="grip" />
      </button>`}
      <h2>
        <button type="button" class="query" dir="auto" title=${`${column.query}\n${t('column.edit')}`} onClick=${() => edit(column)}>
          ${saved ? html`${saved.name} <code>${column.query}</code>` : column.query}
        </button>
      </h2>
      <button type="button" class="bare close" aria-label=${t('column.close')} title=${t('column.close')} onClick=${() => perch.close(column)}><${Icon} name="close" /></button>
    </div>
    <div class="second">
      <div class="facts">
        <${State} column=${column} />
        <span class="total">${isFailed ? '' : total !== null ? html`${format.count(total)}<span class="unit"> ${t('stats.tweets', { n: total })}</span>` : isOpen ? t('column.registering') : t('column.offline')}</span>
        <${Rate} column=${column} />
      </div>
      ${column.spark && html`<${Sparkline} bars=${column.spark.bars} />`}
      ${!isFailed &&
      html`<select class="order" aria-label=${t('column.order')} value=${column.order.value} onChange=${(/** @type {any} */ event) => perch.setOrder(column, event.target.value)}>
          ${ORDERS.map((order) => html`<option value=${order} selected=${order === column.order.value}>${t(`order.${order}`)}</option>`)}
        </select>
        <button
          type="button"
          class=${`bare pause ${isByHand ? 'on' : ''}`}
          aria-pressed=${isPaused}
          title=${t(isPaused ? 'column.resume' : 'column.pause')}
          aria-label=${t('column.pause')}
          onClick=${() => (isPaused ? goOn() : column.stand('hand'))}
        >
          <${Icon} name=${isPaused ? 'play' : 'pause'} />
        </button>
        <button
          type="button"
          class=${`bare ${analysis.value === column.name ? 'on' : ''}`}
          aria-pressed=${analysis.value === column.name}
          aria-label=${t('column.analysis')}
          title=${t('column.analysis')}
          onClick=${() => toggleAnalysis(column)}
        >
          <${Icon} name="chart" />
        </button>
        <button type="button" class=${`bare ${saved ? 'on' : ''}`} aria-label=${bell} title=${bell} onClick=${() => showSaved(column.query)}><${Icon} name="bell" /></button>
        <${Menu} column=${column} at=${at} n=${n} />`}
    </div>
  </header>`;
}

/** Whether it is live, and if not, why. @param {{column: Column}} props */
function State({ column }) {
  const { perch } = useContext(Page);
  const pause = column.pause.value;
  const { state: connection, behind } = perch.connection$.value;
  if (column.phase.value !== 'live') return null;
  const state = connection !== 'open' ? 'lost' : behind ? 'behind' : pause === '' ? 'live' : pause === 'held' ? 'held' : 'paused';
  return html`<span class=${`state ${state}`} title=${state === 'held' ? t('column.held.title') : undefined}>${t(`column.${state}`)}</span>`;
}

/** How often tweets come. @param {{column: Column}} props */
function Rate({ column }) {
  const { perch } = useContext(Page);
  const rate = column.rate(perch.second.value);
  return rate >= LEAST_RATE && column.phase.value === 'live' && !perch.connection$.value.behind && html`<span class="rate">${perSecond(rate)}</span>`;
}

/**
 * The settings of a column, which are loaded when they are opened.
 *
 * @param {{column: Column, at: number, n: number}} props
 */
function Menu({ column, at, n }) {
  const details = useRef(/** @type {HTMLDetailsElement | null} */ (null));
  const [isOpen, setOpen] = useState(false);
  const close = () => {
    if (details.current) details.current.open = false;
  };
  useEffect(() => {
    if (!isOpen) return undefined;
    /** @param {Event} event */
    const onEvent = (event) => {
      const isEscape = event instanceof KeyboardEvent && event.key === 'Escape';
      if (event instanceof KeyboardEvent ? !isEscape : details.current?.contains(/** @type {Node} */ (event.target))) return;
      close();
      if (isEscape) details.current?.querySelector('summary')?.focus();
    };
    document.addEventListener('pointerdown', onEvent);
    document.addEventListener('keydown', onEvent);
    return () => {
      document.removeEventListener('pointerdown', onEvent);
      document.removeEventListener('keydown', onEvent);
    };
  }, [isOpen]);
  return html`<details class="menu" ref=${details} onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary class="bare" aria-label=${t('column.menu')} title=${t('column.menu')}><${Icon} name="menu" /></summary>
    ${isOpen && html`<${ColumnMenu} column=${column} at=${at} n=${n} onClose=${close} />`}
  </details>`;
}

/** How far history is. @param {{column: Column}} props */
function Progress({ column }) {
  if (column.history.value !== 'loading') return null;
  void column.version.value;
  const { loaded, historyTotal } = column.feed;
  const total = historyTotal ?? 0;
  return html`<div class="progress">
    <progress max=${Math.max(1, Math.min(total, column.settings.value.history))} value=${loaded} aria-label=${t('history.loading', { loaded, total })}></progress>
    <span>${t('history.loading', { loaded: format.count(loaded), total: historyTotal === null ? '…' : format.count(total) })}</span>
    <button type="button" class="small" onClick=${() => column.stop()}>${t('history.stop')}</button>
  </div>`;
}

/** @param {{column: Column, scroller: {current: HTMLElement | null}}} props */
function NewButton({ column, scroller }) {
  void column.version.value;
  const n = column.feed.waitingCount;
  if (n === 0) return null;
  const count = format.count(n);
  const show = () => {
    column.resume();
    if (scroller.current) scroller.current.scrollTop = 0;
  };
  return html`<button type="button" class="new" aria-label=${t('column.new.label', { n, count })} onClick=${show}><${Icon} name="up" />${t('column.new', { n, count })}</button>`;
}

/** @param {{column: Column, scroller: {current: HTMLElement | null}, isSeen: boolean}} props */
function Tweets({ column, scroller, isSeen }) {
  const { edit } = useContext(Page);
  // A column that nobody sees costs nothing, unless somebody has begun to read it.
  const isDrawn = isSeen || column.pause.value !== '';
  if (isDrawn) void column.version.value;
  const { feed } = column;
  const order = column.order.value;
  const { pageSize } = column.settings.value;
  // What is drawn of an endless column: from here to there, with room for what is left out above.
  const [{ start, shown }, setDrawn] = useState({ start: 0, shown: FIRST });
  const heights = useRef(/** @type {number[]} */ ([]));
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const above = useRef(/** @type {HTMLElement | null} */ (null));
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  const anew = () => {
    heights.current = [];
    setDrawn({ start: 0, shown: FIRST });
  };
  const size = feed.viewSize;
  const pages = pageSize ? Math.max(1, Math.ceil(size / pageSize)) : 1;
  const page = Math.min(column.page.value, pages - 1);
  const items = !isDrawn ? [] : pageSize ? feed.view(page * pageSize, pageSize) : feed.view(start, shown - start);

  useHold(column, scroller);
  const onScroll = () => {
    const top = scroller.current?.scrollTop ?? 0;
    if (top > READING_PX) column.stand('reading');
    else if (top <= READING_PX && column.pause.value === 'reading' && page === 0) {
      column.resume();
      anew();
    } else if (top <= READING_PX && start > 0) anew();
  };
  const reachEnd = useRef(() => {});
  reachEnd.current = () => {
    if (pageSize) return;
    if (shown < feed.viewSize) {
      if (!isDrawn) return;
      const isFull = shown - start >= WINDOW;
      const [first, next] = [list.current?.children[0], list.current?.children[MORE]];
      if (isFull && first && next) heights.current.push(next.getBoundingClientRect().top - first.getBoundingClientRect().top);
      setDrawn({ start: isFull ? start + MORE : start, shown: shown + (shown < MORE ? FIRST : MORE) });
    } else if (column.history.value === 'more' && (scroller.current?.scrollTop ?? 0) > READING_PX) void column.load();
  };
  useEffect(() => {
    const element = end.current;
    if (!element) return undefined;
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && reachEnd.current(), {
      root: scroller.current,
      rootMargin: '600px',
    });
    observer.observe(element);
    return () => observer.disconnect();
    // Observed anew after each growth: an end that stays in sight is not reported again.
  }, [shown, size >= shown, isDrawn, column.history.value]);
  // What was left out above comes again when one scrolls back, and what is far below goes.
  useEffect(() => {
    const element = above.current;
    if (!element || start === 0) return undefined;
    const back = () => {
      heights.current.pop();
      setDrawn({ start: Math.max(0, start - MORE), shown: shown - MORE });
    };
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && back(), { root: scroller.current, rootMargin: '600px' });
    observer.observe(element);
    return () => observer.disconnect();
  }, [start, shown]);
  useLayoutEffect(anew, [order, pageSize]);
  // The column was emptied: another life of the index.
  useLayoutEffect(() => {
    if (start > 0 && start >= size) anew();
  }, [start, size]);

  /** @param {number} to */
  const turn = (to) => {
    if (to > 0) column.stand('reading');
    column.page.value = to;
    if (to === 0 && column.pause.value === 'reading') column.resume();
    if (scroller.current) scroller.current.scrollTop = 0;
    column.changed();
  };

  const error = column.error.value;
  return html`<div class="scroller" ref=${scroller} tabindex="0" role="group" aria-label=${t('column.label', { query: column.query })} onScroll=${onScroll}>
    ${error &&
    html`<div class="notice bad">
      <strong>${t('column.failed')}</strong>
      <${Mistake} query=${column.query} message=${error.message} column=${error.at?.column} length=${error.at?.length} />
      <button type="button" class="small" onClick=${() => edit(column)}>${t('column.edit')}</button>
    </div>`}
    ${!error && size === 0 && (column.history.value === 'all' || column.history.value === 'more') && html`<p class="notice">${t('column.empty')}</p>`}
    <div ref=${above} style=${{ height: `${pageSize ? 0 : heights.current.reduce((sum, height) => sum + height, 0)}px` }}></div>
    <ol class="tweets" ref=${list}>
      ${items.map((item) => html`<li key=${item.id}><${TweetItem} item=${item} original=${feed.originalOf(item.tweet)} column=${column} order=${order} /></li>`)}
    </ol>
    ${pageSize > 0 &&
    size > 0 &&
    html`<nav class="pager" aria-label=${t('page.of', { at: page + 1, n: pages })}>
      <button type="button" class="small" disabled=${page === 0} onClick=${() => turn(page - 1)}>${t('page.previous')}</button>
      <span>${t('page.of', { at: format.count(page + 1), n: format.count(pages) })}</span>
      <button type="button" class="small" disabled=${page >= pages - 1} onClick=${() => turn(page + 1)}>${t('page.next')}</button>
    </nav>`}
    <div ref=${end}></div>
    <${End} column=${column} isLast=${pageSize > 0 || shown >= size} />
  </div>`;
}

/** What is at the end of the loaded tweets. @param {{column: Column, isLast: boolean}} props */
function End({ column, isLast }) {
  const { feed } = column;
  const state = column.history.value;
  if (!isLast || feed.historyTotal === null) return null;
  const values = { loaded: format.count(feed.loaded), total: format.count(feed.historyTotal) };
  if (state === 'all') return feed.size > 0 ? html`<p class="end">${t('history.all')}</p>` : null;
  if (state === 'full') return html`<p class="end">${t('history.full', { n: feed.cap, count: format.count(feed.cap) })}</p>`;
  if (state === 'failed')
    return html`<p class="end">${t('history.failed')} <button type="button" class="small" onClick=${() => column.load()}>${t('history.retry')}</button></p>`;
  if (state !== 'stopped' && state !== 'more') return null;
  return html`<p class="end">
    ${t(state === 'stopped' ? 'history.stopped' : 'history.more', values)}
    <button type="button" class="small" onClick=${() => column.load()}>${t('history.load')}</button>
  </p>`;
}
