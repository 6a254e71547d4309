// Tweets over time, in bars as wide as fits.

const SECOND = 1000;
/** Lengths of the bars of time, in ms, as the server has them: each divides the next. */
export const INTERVALS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200, 31_449_600].map((s) => s * SECOND);

/** @param {number} span in ms @param {number} bars about how many */
export function intervalOf(span, bars = 60) {
  return INTERVALS.find((interval) => span / interval <= bars) ?? /** @type {number} */ (INTERVALS[INTERVALS.length - 1]);
}

/**
 * @typedef {object} Bars
 * @property {number} interval from one to the next, in ms
 * @property {number[]} starts in ms
 * @property {number[]} counts
 * @property {number} earlier tweets before the first bar: few, and so much older that with them
 *   nothing could be seen
 */

/** What may be left out, of all tweets. */
const STRAY_SHARE = 0.2;

/**
 * Bars from the first to the last, empty ones too.
 *
 * @param {[number, number][]} buckets where each begins and how many are in it, in order of time
 * @param {number} interval
 * @param {number} earlier
 * @returns {Bars}
 */
function filled(buckets, interval, earlier) {
  const first = buckets[0]?.[0];
  const last = buckets[buckets.length - 1]?.[0];
  if (first === undefined || last === undefined) return { interval, starts: [], counts: [], earlier };
  const starts = Array.from({ length: Math.round((last - first) / interval) + 1 }, (_, at) => first + at * interval);
  const counts = starts.map(() => 0);
  for (const [start, count] of buckets) {
    const at = Math.round((start - first) / interval);
    counts[at] = (counts[at] ?? 0) + count;
  }
  return { interval, starts, counts, earlier };
}

/**
 * @param {[number, number][]} buckets
 * @param {number} interval
 * @returns {[number, number][]} the same in longer bars
 */
function joined(buckets, interval) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const [start, count] of buckets) {
    const at = Math.floor(start / interval) * interval;
    counts.set(at, (counts.get(at) ?? 0) + count);
  }
  return [...counts];
}

/**
 * Tweets over time.
 *
 * @param {number[]} times in ms, in any order
 * @param {number} [bars]
 * @returns {Bars}
 */
export function histogram(times, bars = 60) {
  const known = times.filter(Number.isFinite).sort((a, b) => a - b);
  const last = known[known.length - 1];
  if (last === undefined) return { interval: 0, starts: [], counts: [], earlier: 0 };
  const span = (/** @type {number} */ from) => last - /** @type {number} */ (known[from]);
  // A stray date of long ago must not make one bar of all the others.
  const stray = Math.floor(known.length * STRAY_SHARE);
  const from = intervalOf(span(stray), bars) * bars * 4 < span(0) ? stray : 0;
  const interval = intervalOf(span(from), bars);
  const earlier = known.findIndex((time) => time >= last - interval * bars * 4);
  return filled(joined(known.slice(earlier).map((time) => [time, 1]), interval), interval, earlier);
}

/**
 * Every bar from the first to the last that the server counted. Few tweets that are far older than
 * the others are left out; where
 * tweets are spread so far that no bar could be seen, bars are longer than the server's.
 *
 * @param {{interval_ms: number, buckets: {key: number, count: number}[]}} answer of `cmd/aggregate`
 * @param {number} [bars]
 * @returns {Bars}
 */
export function barsOf({ interval_ms: interval, buckets }, bars = 60) {
  /** @type {[number, number][]} */
  const all = buckets.map(({ key, count }) => [key, count]);
  const [first, last] = [all[0]?.[0] ?? 0, all[all.length - 1]?.[0] ?? 0];
  if ((last - first) / interval < bars * 4) return filled(all, interval, 0);
  const sum = (/** @type {[number, number][]} */ some) => some.reduce((sum, [, count]) => sum + count, 0);
  const near = all.filter(([start]) => start > last - interval * bars * 4);
  const earlier = sum(all) - sum(near);
  if (earlier <= sum(all) * STRAY_SHARE) return filled(near, interval, earlier);
  const longer = intervalOf(last - first, bars);
  return filled(joined(all, longer), longer, 0);
}
