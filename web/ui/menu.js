// The settings of a column: what it shows, how it looks, what it tells, and its export.

import { useContext, useState } from '../vendor/hooks.js';
import { LOCALE, t } from '../strings.js';
import { CAPS, DENSITIES, HISTORY_SIZES, PAGE_SIZES, WIDTHS } from '../lib/column.js';
import { exportAll, toCsv, toNdjson } from '../lib/export.js';
import { RETWEETS } from '../lib/feed.js';
import { filtered, filtersOf } from '../lib/filters.js';
import { mutedOf } from '../lib/memory.js';
import { allowSound } from '../lib/sound.js';
import { Page } from './context.js';
import { fileName, format, html, saveBlob, saveFile } from './html.js';

/** @typedef {import('../lib/column.js').Column} Column */
/** @typedef {import('../lib/filters.js').Filters} Filters */
/** @typedef {import('../strings.js').Key} Key */

/** Least numbers that are offered. */
const FOLLOWERS = [0, 100, 1000, 10_000, 100_000];
const LIKES = [0, 1, 10, 100, 1000];
/** Languages that are offered: those with most tweets. */
const LANGUAGES = ['en', 'ja', 'es', 'pt', 'ar', 'de', 'fr', 'id', 'it', 'ko', 'nl', 'pl', 'ru', 'sv', 'th', 'tr', 'uk', 'zh'];

/** @param {{column: Column, at: number, n: number, onClose: () => void}} props */
export function ColumnMenu({ column, at, n, onClose }) {
  const { perch } = useContext(Page);
  return html`<div class="panel" role="group" aria-label=${t('column.menu')}>
    <${FilterRows} column=${column} onClose=${onClose} />
    <${ViewRows} column=${column} />
    <${NoticeRows} column=${column} />
    <${ExportRows} column=${column} />
    ${n > 1 &&
    html`<div class="row">
      <button type="button" class="small" disabled=${at === 0} onClick=${() => perch.move(column, at - 1)}>${t('column.left')}</button>
      <button type="button" class="small" disabled=${at === n - 1} onClick=${() => perch.move(column, at + 1)}>${t('column.right')}</button>
    </div>`}
  </div>`;
}

/**
 * A row with a choice.
 *
 * @param
 *   {{label: string, value: string | number, values: readonly (string | number)[], text: (value:
 *     any) => string, onValue: (value: string) => void}}
 *   props
 */
const Choice = ({ label, value, values, text, onValue }) =>
  html`<label class="row"
    >${label}
    <select onChange=${(/** @type {any} */ event) => onValue(event.target.value)}>
      ${(values.includes(value) ? values : [...values, value]).map((one) => html`<option value=${one} selected=${one === value}>${text(one)}</option>`)}
    </select></label
  >`;

/**
 * What the search asks for besides its words. It is a part of the search.
 *
 * @param {{column: Column, onClose: () => void}} props
 */
function FilterRows({ column, onClose }) {
  const { perch } = useContext(Page);
  const known = filtersOf(column.query);
  const [filters, setFilters] = useState(known?.filters);
  if (!known || !filters) return null;
  const set = (/** @type {Partial<Filters>} */ change) => setFilters({ ...filters, ...change });
  const names = new Intl.DisplayNames(LOCALE, { type: 'language', fallback: 'code' });
  const least = (/** @type {number} */ number) => (number === 0 ? t('filter.any') : t('filter.least', { count: format.count(number) }));
  const query = filtered(known.base, filters);
  const apply = () => {
    onClose();
    perch.change(column, query);
  };
  return html`<h3>${t('filter.title')}</h3>
    <${Choice} label=${t('filter.media')} value=${filters.media} values=${['', 'with', 'without']} text=${(/** @type {'' | 'with' | 'without'} */ way) => t(way === '' ? 'filter.any' : `filter.media.${way}`)} onValue=${(/** @type {any} */ media) => set({ media })} />
    <${Choice} label=${t('filter.language')} value=${filters.lang} values=${['', ...LANGUAGES]} text=${(/** @type {string} */ lang) => (lang ? (names.of(lang) ?? lang) : t('filter.any'))} onValue=${(/** @type {string} */ lang) => set({ lang })} />
    <${Choice} label=${t('filter.followers')} value=${filters.followers} values=${FOLLOWERS} text=${least} onValue=${(/** @type {string} */ number) => set({ followers: Number(number) })} />
    <${Choice} label=${t('filter.likes')} value=${filters.likes} values=${LIKES} text=${least} onValue=${(/** @type {string} */ number) => set({ likes: Number(number) })} />
    <div class="row"><code dir="auto">${query}</code><button type="button" class="small" disabled=${query === column.query} onClick=${apply}>${t('filter.apply')}</button></div>`;
}

/** @param {{column: Column}} props */
function ViewRows({ column }) {
  const { perch } = useContext(Page);
  const settings = column.settings.value;
  const set = (/** @type {Partial<import('../lib/column.js').Settings>} */ change) => perch.configure(column, change);
  const muted = perch.memory.value.muted.join(', ');
  /**
   * @param {Key} label
   * @param {'pageSize' | 'history' | 'cap'} name
   * @param {readonly number[]} sizes
   */
  const number = (label, name, sizes) =>
    html`<${Choice}
      label=${t(label)}
      value=${settings[name]}
      values=${sizes}
      text=${(/** @type {number} */ size) => (size ? format.count(size) : t('column.pagesize.endless'))}
      onValue=${(/** @type {string} */ size) => set({ [name]: Number(size) })}
    />`;
  return html`<h3>${t('view.title')}</h3>
    <${Choice} label=${t('column.retweets')} value=${settings.retweets} values=${RETWEETS} text=${(/** @type {import('../lib/feed.js').Retweets} */ way) => t(`column.retweets.${way}`)} onValue=${(/** @type {any} */ retweets) => set({ retweets })} />
    <${Choice} label=${t('view.width')} value=${settings.width} values=${WIDTHS} text=${(/** @type {import('../lib/column.js').Width} */ width) => t(`view.width.${width}`)} onValue=${(/** @type {any} */ width) => set({ width })} />
    <${Choice} label=${t('view.density')} value=${settings.density} values=${DENSITIES} text=${(/** @type {import('../lib/column.js').Density} */ density) => t(`view.density.${density}`)} onValue=${(/** @type {any} */ density) => set({ density })} />
    ${number('column.pagesize', 'pageSize', PAGE_SIZES)} ${number('column.history', 'history', HISTORY_SIZES)} ${number('column.cap', 'cap', CAPS)}
    <label class="line"
      >${t('mute.label')}
      <input type="text" value=${muted} placeholder=${t('mute.example')} onChange=${(/** @type {any} */ event) => perch.remember({ ...perch.memory.value, muted: mutedOf(event.target.value.split(',')) })}
    /></label>`;
}

/** What tells of new tweets. @param {{column: Column}} props */
function NoticeRows({ column }) {
  const { perch, announce } = useContext(Page);
  const [isDenied, setDenied] = useState(false);
  const settings = column.settings.value;
  const notify = async (/** @type {any} */ event) => {
    const wanted = event.target.checked;
    const allowed = wanted && 'Notification' in window && (await Notification.requestPermission()) === 'granted';
    perch.configure(column, { notify: allowed });
    event.target.checked = allowed;
    setDenied(wanted && !allowed);
    if (wanted && !allowed) announce(t('column.notify.denied'));
  };
  const sound = (/** @type {any} */ event) => {
    if (event.target.checked) allowSound();
    perch.configure(column, { sound: event.target.checked });
  };
  return html`<h3>${t('notice.title')}</h3>
    <label class="row">${t('column.notify')}<input type="checkbox" checked=${settings.notify} onChange=${notify} /></label>
    ${isDenied && html`<p class="refused">${t('column.notify.denied')} ${t('column.notify.allow')}</p>`}
    <label class="row">${t('notice.sound')}<input type="checkbox" checked=${settings.sound} onChange=${sound} /></label>
    <label class="row"
      >${t('column.title')}<input type="checkbox" checked=${settings.title} onChange=${(/** @type {any} */ event) => perch.configure(column, { title: event.target.checked })}
    /></label>`;
}

/** @param {{column: Column}} props */
function ExportRows({ column }) {
  const { perch, announce } = useContext(Page);
  const [says, setSays] = useState('');
  const name = (/** @type {string} */ ending) => `${fileName(column.query)}.${ending}`;
  const save = (/** @type {string} */ ending, /** @type {string} */ text, /** @type {string} */ type) => saveFile(name(ending), text, type);
  const all = async (/** @type {'ndjson' | 'csv'} */ format) => {
    setSays('');
    try {
      const blob = await exportAll(column.query, format, perch.token);
      if (blob) saveBlob(name(format), blob);
    } catch (fault) {
      const text = t('export.failed', { reason: String(/** @type {any} */ (fault)?.message ?? fault) });
      setSays(text);
      announce(text);
    }
  };
  return html`<h3>${t('export.title')}</h3>
    <div class="row">
    ${t('export.all')}
    <span
      ><button type="button" class="small" aria-label=${`${t('export.all')}: ${t('column.ndjson')}`} onClick=${() => all('ndjson')}>${t('column.ndjson')}</button>
      <button type="button" class="small" aria-label=${`${t('export.all')}: ${t('column.csv')}`} onClick=${() => all('csv')}>${t('column.csv')}</button></span
    >
  </div>
  ${says && html`<p class="refused">${says}</p>`}
  <div class="row">
    ${t('column.export')}
    <span
      ><button type="button" class="small" onClick=${() => save('ndjson', toNdjson(column.feed.tweets), 'application/x-ndjson')}>${t('column.ndjson')}</button>
      <button type="button" class="small" onClick=${() => save('csv', toCsv(column.feed.tweets), 'text/csv;charset=utf-8')}>${t('column.csv')}</button></span
    >
  </div>`;
}
