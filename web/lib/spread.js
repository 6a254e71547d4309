// What a search is about, exactly and for its whole history: the server counts what matches up to a position (`cmd/aggregate`), and every
// push behind it is counted in here. The terms are the server's own, so the count beside one is the number of tweets that a search for it finds.

import { LOST } from './connection.js';
import { Tally } from './tally.js';
import { fold, terms } from './terms.js';
import { Timeline } from './timeline.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./tweet.js').Tweet} Tweet */

/** How many bars the tweets over time have at most, and how many terms the server is asked for. */
const BARS = 60;
const TERMS = 1000;
/** How many single terms are asked for at one time. */
const MOST_ASKING = 4;

/** What is counted, and by which of the server's fields. */
export const PARTS = /** @type {const} */ ({ words: 'text', hashtags: 'hashtag', mentions: 'mention', authors: 'user.screen_name', languages: 'lang' });
/** @typedef {keyof typeof PARTS} Part */

/** @type {WeakMap<Tweet, Set<string>>} */
const wordsCache = new WeakMap();

/** The terms of a tweet's text, each once. @param {Tweet} tweet */
export function wordsOf(tweet) {
  let words = wordsCache.get(tweet);
  if (!words) wordsCache.set(tweet, (words = new Set(terms(tweet.text))));
  return words;
}

/** @param {string[]} values */
const folded = (values) => new Set(values.map(fold).filter((term) => term !== ''));

/** @type {Record<Part, (tweet: Tweet) => Set<string>>} */
const TERMS_OF = {
  words: wordsOf,
  hashtags: ({ hashtags }) => folded(hashtags),
  mentions: ({ mentions }) => folded(mentions),
  authors: ({ screen }) => folded([screen]),
  languages: ({ lang }) => folded([lang]),
};

/** @type {Part[]} */
const ALL_PARTS = /** @type {any} */ (Object.keys(PARTS));

/** Counts by part, of tweets that are all here. @param {Tweet[]} tweets */
export function talliesOf(tweets) {
  return /** @type {Record<Part, Tally>} */ (
    Object.fromEntries(
      ALL_PARTS.map((part) => {
        const tally = new Tally();
        for (const tweet of tweets) tally.add(TERMS_OF[part](tweet));
        return [part, tally];
      }),
    )
  );
}

export class Spread {
  /** All tweets over time, once the server has counted them. @type {Timeline | null} */
  timeline = null;
  /** Whether everything that was asked for has come. */
  isComplete = false;
  /** Whether the server could not count: nothing is counted here, either. */
  hasFailed = false;
  /** @type {Record<Part, Tally>} */
  tallies = /** @type {any} */ (Object.fromEntries(ALL_PARTS.map((part) => [part, new Tally()])));
  /** When the tweets were written that were pushed before the server's count came. @type {number[]} */
  #times = [];
  /** Terms that are asked for. @type {Set<string>} */
  #asking = new Set();
  #hasEnded = false;
  #seq;

  /**
   * @param {object} options
   * @param {Connection} options.connection
   * @param {string} options.query
   * @param {number} options.seq the position up to which everything was pushed
   * @param {() => void} options.changed
   */
  constructor({ connection, query, seq, changed }) {
    this.connection = connection;
    this.query = query;
    this.changed = changed;
    this.#seq = seq;
    void this.#load(seq);
  }

  /** Has the server count what came before. What is pushed meanwhile is counted in. @param {number} until */
  async #load(until) {
    const ask = (/** @type {string} */ by, /** @type {number} */ n) => this.#patiently('cmd/aggregate', { query: this.query, by, n, until_seq: until });
    const time = ask('created_at', BARS).then((answer) => {
      this.timeline = new Timeline(answer, BARS);
      for (const time of this.#times) this.timeline.add(time);
      this.#times = [];
      this.changed();
    });
    const parts = ALL_PARTS.map(async (part) => this.tallies[part].base((await ask(PARTS[part], TERMS)).buckets, TERMS));
    try {
      await Promise.all([time, ...parts]);
    } catch {
      // Without the server's counts, what is loaded is shown.
      this.hasFailed = true;
      return;
    }
    this.isComplete = true;
    this.changed();
  }

  /** Asks, over lost connections. @param {string} event @param {unknown} payload @returns {Promise<any>} */
  async #patiently(event, payload) {
    for (;;) {
      try {
        return await this.connection.request(event, payload);
      } catch (fault) {
        if (/** @type {import('./connection.js').Fault} */ (fault)?.code !== LOST || this.#hasEnded) throw fault;
        await this.connection.whenOpen();
      }
    }
  }

  /** Counts a push in. @param {Tweet} tweet @param {number} seq */
  add(tweet, seq) {
    this.#seq = seq;
    if (this.hasFailed) return;
    if (this.timeline) this.timeline.add(tweet.time);
    else this.#times.push(tweet.time);
    for (const part of ALL_PARTS) this.tallies[part].add(TERMS_OF[part](tweet));
  }

  /**
   * The most frequent terms. Those that may be among them and whose count is not known are asked for, and are there the next time.
   *
   * @param {Part} part
   * @param {number} n
   * @param {(term: string, count: number) => boolean} [fits]
   */
  top(part, n, fits) {
    const { top, unsure } = this.tallies[part].top(n, fits);
    for (const term of unsure) void this.#ask(part, term);
    return top;
  }

  /** @param {Part} part @param {string} term */
  async #ask(part, term) {
    const key = `${part} ${term}`;
    if (this.#asking.has(key) || this.#asking.size >= MOST_ASKING) return;
    this.#asking.add(key);
    const then = this.tallies[part].countOf(term);
    try {
      const { total } = await this.connection.request('cmd/query', { query: both(this.query, PARTS[part], term), n: 0, until_seq: this.#seq });
      this.tallies[part].settle(term, Number(total), then);
      this.changed();
    } catch {
      // Asked for again when it still matters.
    } finally {
      this.#asking.delete(key);
    }
  }

  /** Nothing is asked for any more. */
  end() {
    this.#hasEnded = true;
  }
}

/** What matches a query and has a term. @param {string} query @param {string} field @param {string} term */
export function both(query, field, term) {
  return { bool: { must: [query.trimStart().startsWith('{') ? JSON.parse(query) : query, { term: { [field]: term } }] } };
}
