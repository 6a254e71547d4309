// Completions of a query at the caret: what is asked, and what is made of an answer.

/**
 * @typedef {object} Item
 * @property {string} text what is put into the query
 * @property {string} kind
 * @property {number} [count] how many tweets have it
 * @property {string} [help]
 */
/**
 * @typedef {object} Completions
 * @property {string} query what they are for
 * @property {number} caret
 * @property {number} start what is replaced, in UTF-16 units
 * @property {number} end
 * @property {Item[]} items
 */

/** How many are shown. */
const MOST = 8;

/**
 * Whether something stands before the caret that can be completed.
 * @param {string} query
 * @param {number} caret
 */
export const isCompletable = (query, caret) => /[^\s()[\]{}|]$/u.test(query.slice(0, caret));

/**
 * @param {string} query
 * @param {number} caret in UTF-16 units, as JavaScript counts
 * @param {AbortSignal} signal
 * @param {string} token where the server asks for one
 * @returns {Promise<Completions>}
 */
export async function complete(query, caret, signal, token) {
  const parameters = new URLSearchParams({ q: query, at: String(caret), n: String(MOST) });
  const answer = await fetch(`api/suggest?${parameters}`, { signal, headers: token ? { authorization: `Bearer ${token}` } : undefined });
  if (!answer.ok) throw new Error(answer.statusText);
  const body = await answer.json();
  const items = (Array.isArray(body.items) ? body.items : []).filter((/** @type {any} */ item) => typeof item?.text === 'string');
  const completions = { query, caret, start: Number(body.start) || 0, end: Number(body.end) || 0, items };
  // What is there already is no completion.
  const isWhole = items.length === 1 && completed(completions, items[0]).query.trim() === query.trim();
  return isWhole ? { ...completions, items: [] } : completions;
}

/**
 * The query with a completion, and the caret behind it.
 *
 * @param {Completions} completions
 * @param {Item} item
 */
export function completed({ query, start, end }, item) {
  const rest = query.slice(end);
  // A value follows a name; behind other words another word may.
  const space = item.text.endsWith(':') || /^[\s)\]}",]/u.test(rest) ? '' : ' ';
  const before = query.slice(0, start) + item.text + space;
  return { query: before + rest, caret: before.length };
}
