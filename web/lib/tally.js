// The most frequent terms of a search: what the server counted, and every push since.
//
// The server counts the most frequent terms only, and no more than so many are kept here. Of a term that is not here it is known how
// often it came at most (the bar), so when it comes up its count is the most it can be, until the server is asked for it (settle). What is
// shown is exact, however many terms there are.

/** @typedef {{term: string, count: number}} Count */
/** @typedef {{count: number, isExact: boolean, first: number}} Entry `first` is the count it began with */

/** How many terms are kept. */
const MOST = 6000;

export class Tally {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** How often a term that is not here came at most. */
  #bar = 0;
  /** Whether the server's counts are here. */
  #isBased = false;
  #most;

  /** @param {number} [most] terms that are kept */
  constructor(most = MOST) {
    this.#most = most;
  }

  /**
   * Takes what the server counted.
   *
   * @param {{key: string, count: number}[]} buckets most frequent first
   * @param {number} asked how many were asked for: fewer are all there are
   */
  base(buckets, asked) {
    const pushed = this.#entries;
    this.#entries = new Map(buckets.map(({ key, count }) => [key, { count, isExact: true, first: count }]));
    this.#bar = buckets.length < asked ? 0 : (buckets.at(-1)?.count ?? 0);
    this.#isBased = true;
    for (const [term, { count }] of pushed) this.#add(term, count);
    this.#prune();
  }

  /** Counts a tweet's terms in. @param {Iterable<string>} terms each once */
  add(terms) {
    for (const term of terms) this.#add(term, 1);
    this.#prune();
  }

  /** @param {string} term @param {number} n */
  #add(term, n) {
    const entry = this.#entries.get(term);
    if (entry) {
      entry.count += n;
      return;
    }
    const first = this.#bar + n;
    this.#entries.set(term, { count: first, isExact: this.#bar === 0, first });
  }

  /** Lets the rarest half go when there are too many. */
  #prune() {
    // What came before the server's counts must not be forgotten: it is to be added to them.
    if (!this.#isBased || this.#entries.size <= this.#most) return;
    const byCount = [...this.#entries].sort(([, a], [, b]) => b.count - a.count);
    this.#bar = Math.max(this.#bar, byCount[this.#most >> 1]?.[1].count ?? 0);
    this.#entries = new Map(byCount.slice(0, this.#most >> 1));
  }

  /** How often a term came: at most, while its count is not exact; 0 when it is not here. @param {string} term */
  countOf(term) {
    return this.#entries.get(term)?.count ?? 0;
  }

  /**
   * The most frequent terms, and those that may be among them but whose count is not known.
   *
   * @param {number} n
   * @param {(term: string, count: number) => boolean} [fits]
   * @returns {{top: Count[], unsure: string[]}}
   */
  top(n, fits = () => true) {
    const byCount = [...this.#entries].sort(([a, { count }], [b, { count: other }]) => other - count || (a < b ? -1 : 1));
    /** @type {Count[]} */
    const top = [];
    /** @type {string[]} */
    const unsure = [];
    for (const [term, { count, isExact }] of byCount) {
      if (top.length >= n) break;
      if (!fits(term, count)) continue;
      if (isExact) top.push({ term, count });
      else unsure.push(term);
    }
    return { top, unsure: this.#isBased ? unsure : [] };
  }

  /**
   * Takes the count of one term, as the server gave it for the moment when `countOf` was `then`.
   *
   * @param {string} term
   * @param {number} count
   * @param {number} then
   */
  settle(term, count, then) {
    const entry = this.#entries.get(term);
    // One that was let go and came back since then began above that: it is asked for again.
    if (!entry || entry.isExact || entry.first > then) return;
    entry.count = count + entry.count - then;
    entry.isExact = true;
  }
}
