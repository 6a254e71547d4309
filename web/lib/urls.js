// The searches in the address of the page, so that they can be kept, shared and walked through:
// `?q=rust&q=java&o=followers`.

import { ORDERS } from './feed.js';

/** @typedef {import('./feed.js').Order} Order */
/** @typedef {{query: string, order: Order}} Place */

/** The most columns an address opens. */
export const MOST_COLUMNS = 20;

/** @param {string} search of the address @returns {Place[]} */
export function readPlaces(search) {
  const parameters = new URLSearchParams(search);
  const orders = parameters.getAll('o');
  return parameters
    .getAll('q')
    .slice(0, MOST_COLUMNS)
    .map((query, at) => ({ query: query.trim(), order: ORDERS.find((order) => order === orders[at]) ?? 'latest' }))
    .filter(({ query }) => query !== '');
}

/** @param {Place[]} places @returns {string} empty without any */
export function writePlaces(places) {
  const parameters = new URLSearchParams();
  for (const { query } of places) parameters.append('q', query);
  if (places.some(({ order }) => order !== 'latest')) for (const { order } of places) parameters.append('o', order);
  const text = parameters.toString();
  return text && `?${text}`;
}

/**
 * Whether parts of a query are joined by OR, outside of brackets and quotes.
 *
 * @param {string} query
 */
export function hasOr(query) {
  const outside = query.replace(/"[^"]*"/g, '""');
  let depth = 0;
  for (const [word] of outside.matchAll(/[()]|\|\||[^\s()|]+/g)) {
    if (word === '(') depth++;
    else if (word === ')') depth--;
    else if (depth === 0 && (word === 'OR' || word === '||')) return true;
  }
  return false;
}

/**
 * A search for what matches a query and a term.
 *
 * @param {string} query
 * @param {string} term
 */
export function narrowed(query, term) {
  const text = query.trim();
  if (text === '*') return term;
  if (text.startsWith('{')) {
    try {
      return JSON.stringify({ bool: { must: [JSON.parse(text), term] } });
    } catch {
      // A search that never was one has nothing to keep.
      return term;
    }
  }
  // Only of plain words is each one asked for.
  if (!/\b(OR|NOT)\b|[|"()[\]!]/.test(text) && text.split(/\s+/).includes(term)) return text;
  // What is joined by OR would take the term for itself.
  return /\bOR\b|\|\|/.test(text) ? `(${text}) ${term}` : `${text} ${term}`;
}
