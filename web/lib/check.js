// What the server says of a query while it is typed.

import { estimateRate } from './format.js';
import { readTweet } from './tweet.js';

/** @typedef {import('./connection.js').Connection} Connection */
/**
 * @typedef {object} Checked
 * @property {string} query
 * @property {string} [canonical] how it is understood
 * @property {string} [words] what it asks for
 * @property {string[]} [warnings] where perch had to guess
 * @property {string} [message] what is wrong
 * @property {number} [column] the first wrong character, from 1
 * @property {number} [length] how many are wrong
 * @property {number} [total] how many tweets match
 * @property {number | null} [rate] how many come a second
 * @property {number | null} [share] of how many tweets it is looked at, from 0 to 1
 */

/** How many tweets the rate is estimated by. */
const SAMPLE = 30;

/**
 * @param {string} query
 * @param {AbortSignal} signal
 * @param {string} token empty for none
 * @param {string} [more] parameters
 */
const explain = (query, signal, token, more = '') =>
  fetch(`api/explain?q=${encodeURIComponent(query)}${more}`, { signal, headers: token ? { authorization: `Bearer ${token}` } : undefined });

/**
 * @param {string} query
 * @param {AbortSignal} signal
 * @param {string} token where the server asks for one
 * @returns {Promise<Checked>}
 */
export async function check(query, signal, token) {
  const answer = await explain(query, signal, token);
  const body = await answer.json();
  if (answer.ok) {
    const warnings = (Array.isArray(body.warnings) ? body.warnings : []).map((/** @type {{message?: unknown}} */ it) => String(it?.message ?? ''));
    return { query, canonical: String(body.canonical ?? ''), words: String(body.words ?? ''), warnings };
  }
  if (answer.status !== 400) throw new Error(answer.statusText);
  const { message, at } = body.error ?? {};
  return { query, message: String(message ?? answer.statusText), column: at?.column, length: at?.length };
}

/**
 * @param {Connection} connection
 * @param {string} query
 * @returns {Promise<Pick<Checked, 'total' | 'rate'>>}
 */
export async function estimate(connection, query) {
  const answer = await connection.request('cmd/query', { query, n: SAMPLE });
  const tweets = (Array.isArray(answer?.result) ? answer.result : []).flatMap((/** @type {unknown} */ raw) => readTweet(raw) ?? []);
  return { total: Number(answer?.total) || 0, rate: estimateRate(tweets.map((/** @type {import('./tweet.js').Tweet} */ tweet) => tweet.time), Date.now()) };
}

/**
 * @param {string} query
 * @param {AbortSignal} signal
 * @param {string} token where the server asks for one
 * @returns {Promise<Pick<Checked, 'share'>>}
 */
export async function price(query, signal, token) {
  const answer = await explain(query, signal, token, '&price=true');
  const { candidates, tweets } = (await answer.json()).price ?? {};
  return { share: tweets > 0 ? candidates / tweets : null };
}

/**
 * A query in three parts: before the mistake, the mistake, and behind it.
 *
 * @param {string} query
 * @param {number} column in characters, from 1
 * @param {number} length in characters
 * @returns {[string, string, string]}
 */
export function around(query, column, length) {
  const signs = [...query];
  const at = Math.max(0, Math.min(column - 1, signs.length));
  return [signs.slice(0, at).join(''), signs.slice(at, at + length).join(''), signs.slice(at + length).join('')];
}
