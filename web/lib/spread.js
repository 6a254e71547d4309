// What a search is about, exactly and for its whole history, as the server counts it
// (`cmd/aggregate`). It is counted again while tweets come, so the count beside a term is the
// number of tweets that a search for it found a moment ago.

import { LOST } from './connection.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./tweet.js').Tweet} Tweet */
/** @typedef {{term: string, count: number}} Count */

/** How many bars the tweets over time have at most. */
const BARS = 60;
/** Words are asked for in plenty: many say nothing. */
const TERMS = { words: 600, mentions: 600, hashtags: 20, authors: 20, languages: 20 };
/**
 * From one count to the next, at least and at most; in between so many times as long as the count
 * took: a busy server is asked less.
 */
const AGAIN_MS = 2000;
const LATEST_MS = 10_000;
const AGAIN_FACTOR = 10;

/** What is counted, and by which of the server's fields. */
export const PARTS = /** @type {const} */ ({ words: 'text', hashtags: 'hashtag', mentions: 'mention', authors: 'user.screen_name', languages: 'lang' });
/** @typedef {keyof typeof PARTS} Part */
/** @typedef {Record<Part, Count[]>} Counts most frequent first */
/**
 * @typedef {{total: number, interval_ms: number, buckets: {key: number, count: number}[]}} OverTime
 *   as the server says it
 */

/** @type {Part[]} */
const ALL_PARTS = /** @type {any} */ (Object.keys(PARTS));

/** @param {Iterable<string>} terms @returns {Count[]} most frequent first */
export function counted(terms) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([term, count]) => ({ term, count }));
}

/**
 * Counts of tweets that are here, while the server has not counted. Words are left out.
 * @param {Tweet[]} tweets
 * @returns {Counts}
 */
export function countsOf(tweets) {
  /** @param {(tweet: Tweet) => string[]} values */
  const each = (values) => counted(tweets.flatMap((tweet) => [...new Set(values(tweet).map((value) => value.toLowerCase()))]));
  return {
    words: [],
    hashtags: each(({ hashtags }) => hashtags),
    mentions: each(({ mentions }) => mentions),
    authors: each(({ screen }) => (screen ? [screen] : [])),
    languages: each(({ lang }) => (lang ? [lang] : [])),
  };
}

export class Spread {
  /** All tweets over time, once the server has counted them. @type {OverTime | null} */
  time = null;
  /** @type {Counts | null} */
  counts = null;
  /** When that was, in ms. @type {number | null} */
  countedAt = null;
  /** The position up to which is counted. */
  #seq = -1;
  #isCounting = false;
  #nextAt = 0;
  #hasEnded = false;

  /**
   * @param {object} options
   * @param {Connection} options.connection
   * @param {string} options.query
   * @param {() => void} options.changed
   */
  constructor({ connection, query, changed }) {
    this.connection = connection;
    this.query = query;
    this.changed = changed;
  }

  /** Has the server count up to a position, unless it did so a moment ago. @param {number} seq */
  async count(seq) {
    const started = Date.now();
    if (this.#isCounting || seq === this.#seq || started < this.#nextAt) return;
    this.#isCounting = true;
    const ask = (/** @type {string} */ by, /** @type {number} */ n) => this.connection.request('cmd/aggregate', { query: this.query, by, n, until_seq: seq });
    try {
      const [time, ...parts] = await Promise.all([ask('created_at', BARS), ...ALL_PARTS.map((part) => ask(PARTS[part], TERMS[part]))]);
      if (this.#hasEnded) return;
      const terms = parts.map(({ buckets }) => buckets.map((/** @type {{key: string, count: number}} */ { key, count }) => ({ term: key, count })));
      this.time = time;
      this.counts = /** @type {Counts} */ (Object.fromEntries(ALL_PARTS.map((part, at) => [part, terms[at]])));
      this.#seq = seq;
      this.countedAt = Date.now();
      this.#nextAt = Date.now() + Math.min(LATEST_MS, Math.max(AGAIN_MS, (Date.now() - started) * AGAIN_FACTOR));
    } catch (fault) {
      // Until the server can count, what was counted last is shown, or what is loaded.
      if (/** @type {import('./connection.js').Fault} */ (fault)?.code !== LOST) this.#nextAt = Date.now() + LATEST_MS;
    } finally {
      this.#isCounting = false;
    }
    this.changed();
  }

  /** Nothing is shown any more. */
  end() {
    this.#hasEnded = true;
  }
}
