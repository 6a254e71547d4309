// What the browser remembers for the person: recent and saved searches, settings. Nothing of it is
// needed.

import { CAPS, DEFAULTS, DENSITIES, HISTORY_SIZES, PAGE_SIZES, WIDTHS } from './column.js';
import { RETWEETS } from './feed.js';

/** @typedef {{query: string, name: string}} Saved */
/** @typedef {import('./column.js').Settings} Settings */
/**
 * @typedef {object} Memory
 * @property {string[]} recent
 * @property {Saved[]} saved
 * @property {'auto' | 'light' | 'dark'} theme
 * @property {Record<string, Settings>} settings of columns, by their query: those that are not as
 *   they come
 * @property {'auto' | import('../strings.js').Language} language auto: that of the browser
 * @property {string[]} muted words: tweets that have one are not shown
 * @property {boolean} keeps whether the server saved searches for this person before
 */

const KEY = 'perch';
const MOST_RECENT = 12;
const MOST_SAVED = 200;
const MOST_SETTINGS = 100;
const MOST_MUTED = 100;
const MOST_MUTED_CHARS = 100;

/** @param {unknown} value */
const query = (value) => (typeof value === 'string' && value.trim() !== '' && value.length <= 16_384 ? value.trim() : null);

/** @param {unknown} value what was stored or imported: anything @returns {Memory} */
export function checked(value) {
  const object = value !== null && typeof value === 'object' ? /** @type {Record<string, unknown>} */ (value) : {};
  /** @param {unknown} list */
  const array = (list) => (Array.isArray(list) ? list : []);
  const recent = array(object.recent).flatMap((entry) => query(entry) ?? []);
  const saved = array(object.saved).flatMap((entry) => {
    const text = query(typeof entry === 'string' ? entry : entry?.query);
    return text ? [{ query: text, name: typeof entry?.name === 'string' && entry.name ? entry.name.slice(0, 100) : text }] : [];
  });
  const language = object.language === 'en' || object.language === 'de' ? object.language : 'auto';
  const theme = object.theme === 'light' || object.theme === 'dark' ? object.theme : 'auto';
  return { recent: [...new Set(recent)].slice(0, MOST_RECENT), saved: unique(saved), theme, language, settings: settingsOf(object.settings), muted: mutedOf(array(object.muted)), keeps: object.keeps === true };
}

/** Words as they are muted. @param {unknown[]} words */
export function mutedOf(words) {
  const texts = words.flatMap((word) => (typeof word === 'string' && word.trim() !== '' ? word.trim().slice(0, MOST_MUTED_CHARS) : []));
  return [...new Set(texts)].slice(0, MOST_MUTED);
}

/** @param {unknown} value @returns {Record<string, Settings>} */
function settingsOf(value) {
  const all = value !== null && typeof value === 'object' ? Object.entries(value) : [];
  return Object.fromEntries(
    all.slice(-MOST_SETTINGS).flatMap(([key, entry]) => {
      if (query(key) === null || entry === null || typeof entry !== 'object') return [];
      /** @param {readonly number[]} offered @param {'pageSize' | 'history' | 'cap'} name */
      const one = (offered, name) => offered.find((size) => size === entry[name]) ?? DEFAULTS[name];
      const settings = {
        pageSize: one(PAGE_SIZES, 'pageSize'),
        history: one(HISTORY_SIZES, 'history'),
        cap: one(CAPS, 'cap'),
        retweets: RETWEETS.find((way) => way === entry.retweets) ?? DEFAULTS.retweets,
        width: WIDTHS.find((width) => width === entry.width) ?? DEFAULTS.width,
        density: DENSITIES.find((density) => density === entry.density) ?? DEFAULTS.density,
        sound: entry.sound === true,
        notify: entry.notify === true,
        title: entry.title === true,
      };
      return [[key, settings]];
    }),
  );
}

/** @param {Memory} memory @param {string} query @param {Settings} settings @returns {Memory} */
export function configured(memory, query, settings) {
  const { [query]: _, ...others } = memory.settings;
  const isPlain = Object.entries(DEFAULTS).every(([name, value]) => settings[/** @type {keyof Settings} */ (name)] === value);
  return { ...memory, settings: settingsOf(isPlain ? others : { ...others, [query]: settings }) };
}

/** @param {Saved[]} saved */
const unique = (saved) => [...new Map(saved.map((entry) => [entry.query, entry])).values()].slice(0, MOST_SAVED);

/** @param {Pick<Storage, 'getItem'>} storage @returns {Memory} */
export function load(storage) {
  try {
    return checked(JSON.parse(storage.getItem(KEY) ?? 'null'));
  } catch {
    return checked(null);
  }
}

/** @param {Pick<Storage, 'setItem'>} storage @param {Memory} memory */
export function store(storage, memory) {
  try {
    storage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // No room, or not allowed: it is forgotten with the page.
  }
}

/** @param {Memory} memory @param {string} text @returns {Memory} */
export const used = (memory, text) => ({ ...memory, recent: [text, ...memory.recent.filter((other) => other !== text)].slice(0, MOST_RECENT) });

/** @param {Memory} memory @param {string} text @returns {Memory} saved, or not any more */
export const toggled = (memory, text) =>
  memory.saved.some((entry) => entry.query === text)
    ? { ...memory, saved: memory.saved.filter((entry) => entry.query !== text) }
    : { ...memory, saved: unique([...memory.saved, { query: text, name: text }]) };

/** @param {Memory} memory @returns {string} a file for another browser */
export const exported = (memory) => `${JSON.stringify({ perch: 1, saved: memory.saved, recent: memory.recent }, null, 2)}\n`;

/**
 * @param {Memory} memory
 * @param {string} file
 * @returns {{memory: Memory, added: number}}
 * @throws {SyntaxError} when it is no such file
 */
export function imported(memory, file) {
  const value = JSON.parse(file);
  if (value === null || typeof value !== 'object' || (!Array.isArray(value) && !Array.isArray(value.saved))) throw new SyntaxError('no searches');
  const { saved } = checked(Array.isArray(value) ? { saved: value } : value);
  const all = unique([...memory.saved, ...saved]);
  return { memory: { ...memory, saved: all }, added: all.length - memory.saved.length };
}
