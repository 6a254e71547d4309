// Tweets over time, in bars as wide as fits.

const SECOND = 1000;
/** Lengths of the bars of time, in ms, as the server has them: each divides the next. */
export const INTERVALS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200, 31_449_600].map((s) => s * SECOND);

/** @param {number} span in ms @param {number} bars about how many */
export function intervalOf(span, bars = 60) {
  return INTERVALS.find((interval) => span / interval <= bars) ?? /** @type {number} */ (INTERVALS[INTERVALS.length - 1]);
}

/**
 * Tweets over time.
 *
 * @param {number[]} times in ms, in any order
 * @param {number} [bars]
 * @returns {{interval: number, starts: number[], counts: number[]}}
 */
export function histogram(times, bars = 60) {
  const known = times.filter(Number.isFinite).sort((a, b) => a - b);
  const first = known[0];
  const last = known[known.length - 1];
  if (first === undefined || last === undefined) return { interval: 0, starts: [], counts: [] };
  const interval = intervalOf(last - first, bars);
  const start = Math.floor(first / interval) * interval;
  // A stray date of long ago must not make more bars than can be seen.
  const n = Math.min(Math.floor((last - start) / interval) + 1, bars * 4);
  const end = Math.floor(last / interval) * interval;
  const starts = Array.from({ length: n }, (_, at) => end - (n - 1 - at) * interval);
  const counts = starts.map(() => 0);
  for (const time of known) {
    const at = Math.max(0, Math.floor((time - (starts[0] ?? 0)) / interval));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return { interval, starts, counts };
}

/**
 * Every bar from the first to the last that the server counted, empty ones too, unless they are too many to be seen.
 *
 * @param {{interval_ms: number, buckets: {key: number, count: number}[]}} answer of `cmd/aggregate`
 * @param {number} [bars]
 */
export function barsOf({ interval_ms: interval, buckets }, bars = 60) {
  const counts = new Map(buckets.map(({ key, count }) => [key, count]));
  const first = buckets[0]?.key;
  const last = buckets[buckets.length - 1]?.key;
  if (first === undefined || last === undefined) return { interval, starts: [], counts: [] };
  const n = Math.round((last - first) / interval) + 1;
  const starts = n <= bars * 4 ? Array.from({ length: n }, (_, at) => first + at * interval) : [...counts.keys()];
  return { interval, starts, counts: starts.map((start) => counts.get(start) ?? 0) };
}
