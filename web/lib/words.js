// What the loaded tweets are about: words, hashtags, authors, languages, and where words are going.

import { fold } from './marks.js';

/** @typedef {import('./tweet.js').Tweet} Tweet */
/** @typedef {{term: string, label: string, count: number}} Count */

// Addresses, entities and HTML entities are no words.
const NOISE = /https?:\/\/\S+|[@＠]\w+|&\w+;/gu;
const WORD = /[#＃]?[\p{L}\p{M}\p{N}]+(?:['’][\p{L}]+)?/gu;

/** Words that say nothing of a text, of the languages seen most. */
const STOP = new Set(
  `a about above after again against ain all also am amp an and any are aren as at be because been before being below between both but by can could couldn did didn do does
  doesn doing don down during each few for from further get gets getting go goes going gonna got had hadn has hasn have haven having he her here hers herself him himself his how i if
  im in into is isn it its itself just know let like ll ma make many may me might mightn more most much must mustn my myself need needn no nor not now of off oh ok on one only or other our ours
  ourselves out over own please re really rt s said same say see shan she should shouldn so some still such t take than that the their theirs them themselves then there these they thing
  this those through time to today too u under until up us ur use very via wanna want was wasn way we well were weren what when where which while who whom why will with won would
  wouldn y yeah yes yet you your yours yourself yourselves youre dont cant wont thats ive hes shes theyre didnt doesnt isnt lol
  der die das und ist ich nicht ein eine einer es sie er wir ihr zu den dem des mit auf für von im an aus bei nach wie auch so noch nur aber oder wenn dass als am hat haben war sind
  de la le les et un une des du en que qui dans pour pas sur est ce il je ne se au avec plus tu
  el los las y lo un una por con para no es su al del como mas pero sus ya o mi me te si
  que não com uma os no na por mais as dos como mas foi ao ele das tem seu sua ou ser quando`
    .split(/\s+/)
    .map(fold),
);

/** Of each tweet, once. @type {WeakMap<Tweet, string[]>} */
const wordsCache = new WeakMap();

/**
 * The words of a tweet, each once. A retweet speaks with the words of its original.
 *
 * @param {Tweet} tweet
 * @returns {string[]}
 */
export function wordsOf(tweet) {
  const cached = wordsCache.get(tweet);
  if (cached) return cached;
  const text = (tweet.original ?? tweet).text.slice(0, 2000).replace(/^RT @\w+:/, '').replace(NOISE, ' ');
  /** @type {Set<string>} */
  const words = new Set();
  for (const [word] of text.toLowerCase().matchAll(WORD)) {
    if (word.startsWith('#') || word.startsWith('＃')) continue;
    const folded = fold(word);
    if (folded.length < 2 || folded.length > 30 || /^\d+$/.test(folded) || STOP.has(folded) || STOP.has(folded.replace(/['’]/g, '')) || STOP.has(folded.split(/['’]/)[0] ?? '')) continue;
    words.add(word);
  }
  const list = [...words];
  wordsCache.set(tweet, list);
  return list;
}

/** @param {Tweet} tweet @returns {string[]} each once, with the sign, in lower case */
export function hashtagsOf(tweet) {
  const found = (tweet.original ?? tweet).text.match(/(?<![\p{L}\p{M}\p{N}_&])[#＃][\p{L}\p{M}\p{N}_]+/gu) ?? [];
  return [...new Set(found.map((tag) => `#${tag.slice(1).toLowerCase()}`))];
}

/** @param {Iterable<string>} terms @param {number} most @returns {Count[]} */
function top(terms, most) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .slice(0, most)
    .map(([term, count]) => ({ term, label: term, count }));
}

/** @param {Tweet[]} tweets @param {number} most */
export const topWords = (tweets, most) => top(tweets.flatMap(wordsOf), most);

/** @param {Tweet[]} tweets @param {number} most */
export const topHashtags = (tweets, most) => top(tweets.flatMap(hashtagsOf), most);

/** @param {Tweet[]} tweets @param {number} most */
export const topAuthors = (tweets, most) =>
  top(
    tweets.flatMap((tweet) => (tweet.screen ? [`@${tweet.screen}`] : [])),
    most,
  );

/** @param {Tweet[]} tweets @param {number} most */
export const topLanguages = (tweets, most) =>
  top(
    tweets.map((tweet) => tweet.lang || 'und'),
    most,
  );

/**
 * The slope of the line through the points (0, y0), (1, y1), … that lies closest to them.
 *
 * @param {number[]} ys
 */
export function slope(ys) {
  const n = ys.length;
  if (n < 2) return 0;
  const meanX = (n - 1) / 2;
  const meanY = ys.reduce((sum, y) => sum + y, 0) / n;
  let above = 0;
  let below = 0;
  ys.forEach((y, x) => {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  });
  return above / below;
}

/** @typedef {-1 | 0 | 1} Direction */

/** How many equal parts the tweets are split into, and how many of the last are the short window. */
const PARTS = 20;
const SHORT = 7;
/** Of the word's mean, from one end of the window to the other: less is no trend. */
const TREND = 0.35;

/**
 * Where words are going: over all that is loaded, and over the last third of it. The tweets are split into parts of equal size, so a
 * trend is a change of the share a word has, whether tweets come fast or slowly.
 *
 * @param {Tweet[]} newestFirst
 * @param {string[]} terms
 * @returns {Map<string, {long: Direction, short: Direction}>}
 */
export function trends(newestFirst, terms) {
  const parts = Math.min(PARTS, newestFirst.length);
  const series = new Map(terms.map((term) => [term, Array.from({ length: parts }, () => 0)]));
  newestFirst.forEach((tweet, at) => {
    const part = parts - 1 - Math.floor((at * parts) / newestFirst.length);
    for (const word of wordsOf(tweet)) {
      const counts = series.get(word);
      if (counts) counts[part] = (counts[part] ?? 0) + 1;
    }
  });
  return new Map([...series].map(([term, ys]) => [term, { long: direction(ys), short: direction(ys.slice(-SHORT)) }]));
}

/** @param {number[]} ys @returns {Direction} */
export function direction(ys) {
  const mean = ys.reduce((sum, y) => sum + y, 0) / ys.length;
  if (!(mean > 0) || ys.length < 3) return 0;
  const change = (slope(ys) * (ys.length - 1)) / mean;
  return change > TREND ? 1 : change < -TREND ? -1 : 0;
}

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
 * All tweets of a search over time: what the server counted up to the watermark, and every push since. Exact, however many
 * tweets there are, of which no more is kept than the bars.
 */
export class Timeline {
  /** How many tweets are in it, dated or not. */
  total = 0;
  #interval;
  #most;
  /** By the start of the bar. @type {Map<number, number>} */
  #counts;

  /**
   * @param {{total: number, interval_ms: number, buckets: {key: number, count: number}[]}} answer of `cmd/aggregate`
   * @param {number} [most] bars
   */
  constructor({ total, interval_ms: interval, buckets }, most = 60) {
    this.total = total;
    this.#interval = interval;
    this.#most = most;
    this.#counts = new Map(buckets.map(({ key, count }) => [key, count]));
    this.#coarsen();
  }

  /** Counts a push in. @param {number} time */
  add(time) {
    this.total++;
    if (!Number.isFinite(time)) return;
    const start = Math.floor(time / this.#interval) * this.#interval;
    this.#counts.set(start, (this.#counts.get(start) ?? 0) + 1);
    this.#coarsen();
  }

  #coarsen() {
    while (this.#counts.size > this.#most) {
      const next = INTERVALS[INTERVALS.indexOf(this.#interval) + 1];
      if (next === undefined) return;
      this.#interval = next;
      const counts = new Map();
      for (const [start, count] of this.#counts) {
        const coarse = Math.floor(start / next) * next;
        counts.set(coarse, (counts.get(coarse) ?? 0) + count);
      }
      this.#counts = counts;
    }
  }

  /** Every bar from the first to the last, empty ones too, unless they are too many to be seen. */
  bars() {
    const known = [...this.#counts.keys()].sort((a, b) => a - b);
    const first = known[0];
    const last = known[known.length - 1];
    if (first === undefined || last === undefined) return { interval: this.#interval, starts: [], counts: [] };
    const n = Math.round((last - first) / this.#interval) + 1;
    const starts = n <= this.#most * 4 ? Array.from({ length: n }, (_, at) => first + at * this.#interval) : known;
    return { interval: this.#interval, starts, counts: starts.map((start) => this.#counts.get(start) ?? 0) };
  }
}
