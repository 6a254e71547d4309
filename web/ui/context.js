// What the parts of the page ask of the whole.

import { createContext } from '../vendor/preact.js';

/**
 * @typedef {object} PageContext
 * @property {import('../lib/state.js').Perch} perch
 * @property {(column: import('../lib/column.js').Column, term: string, add: boolean) => void}
 *   searchTerm searches for it, or adds it
 * @property {(column: import('../lib/column.js').Column, term: string) => void} chooseTerm asks
 *   what to do with it
 * @property {(tweet: import('../lib/tweet.js').Tweet) => void} showJson
 * @property {(column: import('../lib/column.js').Column) => void} toggleAnalysis
 * @property {() => void} showSources how to bring other tweets
 * @property {(query: string | null) => void} showSaved opens the saved searches, with the form for
 *   a query
 * @property {(column: import('../lib/column.js').Column) => void} edit puts its query into the
 *   search field
 * @property {(text: string) => void} announce to screen readers
 * @property {import('../vendor/signals-core.js').Signal<string>} analysis the column whose analysis
 *   is open
 */

export const Page = createContext(/** @type {PageContext} */ (/** @type {unknown} */ (null)));
