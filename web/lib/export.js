// What is loaded, as files.

/** @typedef {import('./tweet.js').Tweet} Tweet */

/**
 * A tweet's JSON with its ids as they were. JavaScript has rounded numbers that are too large for
 * it; their text stands beside them.
 *
 * @param {unknown} raw
 * @param {number} [indent]
 */
export function exactJson(raw, indent) {
  // A mark that no text of the tweet holds, since it is not in its JSON.
  let mark = '@@';
  const plain = JSON.stringify(raw) ?? 'null';
  while (plain.includes(mark)) mark += '@';
  const text = JSON.stringify(
    raw,
    function (key, value) {
      if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
      const exact = this[`${key}_str`];
      return typeof exact === 'string' && /^\d+$/.test(exact) ? mark + exact : value;
    },
    indent,
  );
  return text.replaceAll(new RegExp(`"${mark}(\\d+)"`, 'g'), '$1');
}

/** A longer address is not sent: the query goes in a body. */
const LONGEST_ADDRESS = 2000;

/**
 * Everything that a search finds, as the server streams it. Where an address is enough, the browser
 * loads it to the disk by itself.
 *
 * @param {string} query
 * @param {'ndjson' | 'csv'} format
 * @param {string} token empty for none
 * @returns {Promise<Blob | null>} null when the browser does it
 */
export async function exportAll(query, format, token) {
  const address = `api/export?${new URLSearchParams({ q: query, format })}`;
  if (!token && address.length < LONGEST_ADDRESS) {
    // Asked for in vain, it would replace the page by an error.
    const probe = await fetch(`api/search?${new URLSearchParams({ q: query, n: '0' })}`);
    if (!probe.ok) throw new Error((await probe.json()).error?.message ?? probe.statusText);
    const link = document.createElement('a');
    link.href = address;
    link.download = '';
    link.click();
    return null;
  }
  const answer = await fetch('api/export', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ q: query, format }),
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error?.message ?? answer.statusText);
  return answer.blob();
}

/** @param {Tweet[]} tweets one JSON object a line */
export const toNdjson = (tweets) => tweets.map((tweet) => `${exactJson(tweet.raw)}\n`).join('');

const COLUMNS = /** @type {const} */ (['id', 'created_at', 'screen_name', 'name', 'followers', 'lang', 'text', 'retweets', 'favorites', 'retweet_of']);

/** @param {Tweet[]} tweets with a heading, as RFC 4180 has it */
export function toCsv(tweets) {
  const rows = tweets.map((tweet) => [
    tweet.id,
    Number.isFinite(tweet.time) ? new Date(tweet.time).toISOString() : '',
    tweet.screen,
    tweet.name,
    tweet.followers,
    tweet.lang,
    tweet.text,
    tweet.retweets,
    tweet.favorites,
    tweet.originalId ?? '',
  ]);
  return [COLUMNS, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** @param {string | number} value */
function cell(value) {
  if (typeof value === 'number') return String(value);
  // A spreadsheet would run what starts like this as a formula.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
