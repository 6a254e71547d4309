// The searches in the address of the page, so that they can be kept, shared and walked through: `?q=rust&q=java&o=followers`.

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
