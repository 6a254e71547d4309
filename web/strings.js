// The texts of the page in the language of the person. `texts/` has them, a file for each language
// but English, which has two.

import { EN } from './texts/en.js';

/**
 * @typedef
 *   {keyof typeof import('./texts/en.js').EN | keyof typeof import('./texts/en-later.js').EN_LATER}
 *   Key
 */
/** @typedef {string | {one: string, other: string}} Text */
/** @typedef {'en' | 'de'} Language */

/** The languages of the page, by their own names. @type {Readonly<Record<Language, string>>} */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };

/**
 * The files of the languages besides English.
 *
 * @type {Record<Exclude<Language, 'en'>, () => Promise<Record<Key, Text>>>}
 */
const FILES = { de: () => import('./texts/de.js').then(({ DE }) => DE) };

/**
 * What was chosen here before (lib/memory.js), or else the first language of the browser that the
 * page has.
 *
 * @returns {Language}
 */
function wanted() {
  // Node's tests have no page.
  if (typeof document === 'undefined') return 'en';
  /** @type {unknown} */
  let chosen = null;
  try {
    chosen = JSON.parse(localStorage.getItem('perch') ?? 'null')?.language;
  } catch {
    // Nothing was chosen.
  }
  const known = [chosen, ...navigator.languages.map((language) => language.split('-')[0])];
  return /** @type {Language} */ (known.find((language) => typeof language === 'string' && language in LANGUAGES) ?? 'en');
}

export const LOCALE = wanted();

/** @type {Partial<Record<Key, Text>>} */
const texts = { ...EN };
// A language that can't be loaded is English.
if (LOCALE !== 'en') Object.assign(texts, await FILES[LOCALE]().catch(() => ({})));

/**
 * Texts of parts that are loaded later, where they are not known in another language.
 *
 * @param {Partial<Record<Key, Text>>} more
 */
export function addTexts(more) {
  Object.assign(texts, { ...more, ...texts });
}

const plurals = new Intl.PluralRules(LOCALE);

/**
 * @param {Key} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const entry = texts[key] ?? key;
  const text = typeof entry === 'string' ? entry : entry[/** @type {'one' | 'other'} */ (plurals.select(Number(values.n ?? 0)))] ?? entry.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
