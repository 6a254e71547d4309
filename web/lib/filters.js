// Filters of a column: the words at the end of its search that ask for media, a language or a least
// number. They are part of the search, so they are shared with its address, counted by the server,
// and seen.

import { hasOr } from './urls.js';

/**
 * @typedef {object} Filters
 * @property {'' | 'with' | 'without'} media
 * @property {string} lang empty for any
 * @property {number} followers at least
 * @property {number} likes at least
 */

/** @type {Readonly<Filters>} */
export const NO_FILTERS = { media: '', lang: '', followers: 0, likes: 0 };

/**
 * How a filter is written, and read.
 *
 * @type
 *   {{name: keyof Filters, pattern: RegExp, read: (found: RegExpExecArray) => any, write: (value:
 *     any) => string}[]}
 */
const FORMS = [
  { name: 'media', pattern: /(?:^|\s)(-?)has:media$/, read: ([, not]) => (not ? 'without' : 'with'), write: (media) => (media === 'with' ? 'has:media' : '-has:media') },
  { name: 'lang', pattern: /(?:^|\s)lang:([a-z]{2,3})$/, read: ([, lang]) => lang, write: (lang) => `lang:${lang}` },
  { name: 'followers', pattern: /(?:^|\s)followers:>=(\d{1,9})$/, read: ([, n]) => Number(n), write: (n) => `followers:>=${n}` },
  { name: 'likes', pattern: /(?:^|\s)likes:>=(\d{1,9})$/, read: ([, n]) => Number(n), write: (n) => `likes:>=${n}` },
];

/**
 * Takes a search apart.
 *
 * @param {string} query
 * @returns {{base: string, filters: Filters} | null} null for the JSON form, which has no end to
 *   look at
 */
export function filtersOf(query) {
  let base = query.trim();
  /** @type {Filters} */
  const filters = { ...NO_FILTERS };
  if (base.startsWith('{')) return null;
  for (;;) {
    const form = FORMS.find(({ name, pattern }) => filters[name] === NO_FILTERS[name] && pattern.test(base));
    const found = form?.pattern.exec(base);
    // A word behind OR belongs to the OR, not to all of the search.
    if (!form || !found || hasOr(base)) return { base: base || '*', filters };
    Object.assign(filters, { [form.name]: form.read(found) });
    base = base.slice(0, found.index).trim();
  }
}

/** Puts a search together. @param {string} base @param {Filters} filters */
export function filtered(base, filters) {
  const words = FORMS.filter(({ name }) => filters[name] !== NO_FILTERS[name]).map(({ name, write }) => write(filters[name]));
  if (words.length === 0) return base;
  if (base === '*' || base === '') return words.join(' ');
  return [hasOr(base) ? `(${base})` : base, ...words].join(' ');
}
