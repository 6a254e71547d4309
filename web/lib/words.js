// Which terms are worth showing as words, how they are spelled, and where they are going.

import { counted } from './spread.js';

/** @typedef {import('./analyzer.js').Analyzer} Analyzer */
/** @typedef {import('./analyzer.js').Term} Term */
/** @typedef {import('./tweet.js').Tweet} Tweet */

/** Terms that say nothing of a text, of the languages seen most. */
const STOP = new Set(
  `a about above after again against ain all also am amp an and any are aren as at be because been before being below between both but by can co com could couldn did didn do does
  doesn doing don down during each few for from further get gets getting go goes going gonna got had hadn has hasn have haven having he her here hers herself him himself his how http https i if
  im in into is isn it its itself just know let like ll ma make many may me might mightn more most much must mustn my myself need needn no nor not now of off oh ok on one only or other our ours
  ourselves out over own please re really rt s said same say see shan she should shouldn so some still such t take than that the their theirs them themselves then there these they thing
  this those through time to today too u under until up us ur use very via wanna want ve was wasn way we well were weren what when where which while who whom why will with won would
  wouldn www y yeah yes yet you your yours yourself yourselves youre dont cant wont thats ive hes shes theyre didnt doesnt isnt lol
  der die das und ist ich nicht ein eine einer es sie er wir ihr zu den dem des mit auf fur von im an aus bei nach wie auch so noch nur aber oder wenn dass als am hat haben war sind
  de la le les et un une des du en que qui dans pour pas sur est ce il je ne se au avec plus tu
  el los las y lo un una por con para no es su al del como mas pero sus ya o mi me te si
  que nao com uma os no na por mais as dos como mas foi ao ele das tem seu sua ou ser quando`
    .split(/\s+/),
);

/** Whether a term says something of the tweets it is in. @param {string} term */
export const isTelling = (term) => term.length >= 2 && term.length <= 30 && /\p{L}/u.test(term) && !STOP.has(term);

// Names of others are no words of the text; addresses have no terms.
const NAME = /[@＠]\w+/gu;
/** Endings and particles of Japanese: a word of nothing but these says little. */
const LITTLE = /^[\u3040-\u309f\u30fc]{1,3}$/u;
/** Where words begin in scripts without spaces. */
const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/**
 * The text that speaks for a tweet: a retweet speaks with the words of its original.
 * @param {Tweet} tweet
 */
export const spokenText = (tweet) => (tweet.original ?? tweet).text;

/**
 * The telling words of a tweet as they are spelled, in lower case, by their term. The terms of
 * scripts without spaces are single
 * characters that touch each other; a word of several is its own term.
 *
 * @param {Tweet} tweet
 * @param {Analyzer} analyzer
 * @returns {Map<string, string>} empty while its terms are not known
 */
export function spelled(tweet, analyzer) {
  const text = spokenText(tweet);
  const names = [...text.matchAll(NAME)].map(({ 0: name, index }) => ({ start: index, end: index + name.length }));
  const terms = (analyzer.known(text) ?? []).filter(({ start }) => !names.some((name) => start >= name.start && start < name.end));
  /** @type {Map<string, string>} */
  const words = new Map();
  const add = (/** @type {string} */ term, /** @type {string} */ word) => {
    if (isTelling(term) && !words.has(term)) words.set(term, word.toLowerCase());
  };
  for (let from = 0, to = 1; from < terms.length; from = to, to++) {
    while (to < terms.length && terms[to]?.start === terms[to - 1]?.end) to++;
    const [first, last] = [/** @type {Term} */ (terms[from]), /** @type {Term} */ (terms[to - 1])];
    const run = text.slice(first.start, last.end);
    if (to === from + 1) add(first.term, run);
    else for (const { segment, isWordLike } of segmenter.segment(run)) if (isWordLike && !LITTLE.test(segment)) add(segment.toLowerCase(), segment);
  }
  return words;
}

/**
 * Counts words of tweets that are here as they are spelled: for scripts without spaces, of which
 * the server's terms are single characters.
 *
 * @param {Tweet[]} tweets
 * @param {number} most
 * @param {Analyzer} analyzer
 */
export const topSpelled = (tweets, most, analyzer) => counted(tweets.flatMap((tweet) => [...spelled(tweet, analyzer).values()])).slice(0, most);

/**
 * How terms are spelled in some tweets, as far as they are there.
 * @param {string[]} terms
 * @param {Tweet[]} tweets
 * @param {Analyzer} analyzer
 */
export function spellings(terms, tweets, analyzer) {
  const wanted = new Set(terms);
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const tweet of tweets) {
    if (found.size === wanted.size) break;
    for (const [term, word] of spelled(tweet, analyzer)) if (wanted.has(term) && !found.has(term)) found.set(term, word);
  }
  return found;
}

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

/**
 * How many equal parts the tweets are split into, and how many of the last are the short window.
 */
const PARTS = 20;
const SHORT = 7;
/** Of the word's mean, from one end of the window to the other: less is no trend. */
const TREND = 0.35;

/**
 * Where words are going: over some tweets, and over the last third of them. The tweets are split
 * into parts of equal size, so a trend is
 * a change of the share a word has, whether tweets come fast or slowly.
 *
 * @param {Tweet[]} newestFirst those whose terms are not known are left out
 * @param {string[]} terms
 * @param {Analyzer} analyzer
 * @returns {Map<string, {long: Direction, short: Direction}>}
 */
export function trends(newestFirst, terms, analyzer) {
  const known = newestFirst.map(({ text }) => analyzer.known(text)).filter((terms) => terms !== null);
  const parts = Math.min(PARTS, known.length);
  const series = new Map(terms.map((term) => [term, Array.from({ length: parts }, () => 0)]));
  known.forEach((found, at) => {
    const part = parts - 1 - Math.floor((at * parts) / known.length);
    const words = new Set(found.map(({ term }) => term));
    for (const [term, counts] of series) if (words.has(term)) counts[part] = (counts[part] ?? 0) + 1;
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

