// What is loaded, as files.

/** @typedef {import('./tweet.js').Tweet} Tweet */

/**
 * A tweet's JSON with its ids as they were. JavaScript has rounded numbers that are too large for it; their text stands beside them.
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
