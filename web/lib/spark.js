// How many tweets came over the last while, for a small picture: counted once by the server, then
// on by what is pushed.

import { barsOf } from './timeline.js';

/** Bars of the picture. */
export const SPARK_BARS = 40;
/** The length of a bar where no tweet has come yet, in ms. */
const FIRST_MS = 10_000;
/** Tweets that come while the server counts, at most. */
const MOST_WAITING = 10_000;

export class Spark {
  /** Oldest first; empty while nothing is known. @type {number[]} */
  bars = [];
  /** Where the first bar begins, in ms, and how long each is. */
  #start = 0;
  #interval = 0;
  /** Times of tweets that came before the server had counted. @type {number[] | null} */
  #waiting = [];

  /** @param {import('./spread.js').OverTime} answer of `cmd/aggregate` @param {number} now in ms */
  take(answer, now) {
    const { interval, starts, counts } = barsOf(answer, SPARK_BARS);
    this.bars = counts.slice(-SPARK_BARS);
    this.#start = starts[starts.length - this.bars.length] ?? 0;
    this.#interval = counts.length > 0 ? interval : FIRST_MS;
    // A while without tweets is seen; an archive ends with its last one.
    if (this.bars.length > 0 && now - this.#start < interval * SPARK_BARS * 2) this.#reach(now);
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const time of waiting) this.add(time);
  }

  /** A tweet has come. @param {number} time in ms */
  add(time) {
    if (this.#waiting) {
      if (this.#waiting.length < MOST_WAITING) this.#waiting.push(time);
      return;
    }
    if (this.#interval === 0 || !Number.isFinite(time) || time < this.#start) return;
    const at = this.#reach(time);
    this.bars[at] = (this.bars[at] ?? 0) + 1;
  }

  /**
   * Adds bars up to a time, and drops as many at the other end.
   *
   * @param {number} time
   * @returns {number} its bar
   */
  #reach(time) {
    const at = Math.floor((time - this.#start) / this.#interval);
    if (at < this.bars.length) return at;
    const missing = Math.min(at + 1 - this.bars.length, SPARK_BARS);
    this.bars.push(...Array.from({ length: missing }, () => 0));
    this.bars.splice(0, Math.max(0, this.bars.length - SPARK_BARS));
    this.#start = (Math.floor(time / this.#interval) + 1 - this.bars.length) * this.#interval;
    return this.bars.length - 1;
  }
}
