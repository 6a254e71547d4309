// Tweets that are made up for tests, always the same ones, and a generator of numbers to make them
// by.

/** Numbers from 0 to 1, always the same for the same seed. @param {number} seed */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The id of the first made-up tweet: larger than a JavaScript number can hold. */
export const FIRST_ID = 1_800_000_000_000_000_001n;

/**
 * A tweet as raw JSON text could hold it; `id` is rounded by JavaScript, as it is for every client.
 *
 * @param {number} n from 0: its place in the order of ids
 * @param {Record<string, any>} [more] fields to add or change
 */
export function tweet(n, more = {}) {
  const id = String(FIRST_ID + BigInt(n) * 4096n);
  const { user, ...rest } = more;
  return {
    id: Number(id),
    id_str: id,
    text: `tweet number ${n}`,
    created_at: new Date(1_760_000_000_000 + n * 1000).toISOString(),
    lang: 'en',
    user: { name: 'Ann Example', screen_name: 'ann', followers_count: 10, ...user },
    retweet_count: 0,
    favorite_count: 0,
    ...rest,
  };
}

const PEOPLE = ['Ada Byron', 'Grace H', 'Linus T.', 'Margaret Hamilton', 'Dennis R', 'Barbara L', 'Ken 小林', 'Radia P.', 'Edsger', 'Katherine J', 'Алексей', 'Frances A'];
const SUBJECTS = ['rust', 'java', 'the borrow checker', 'this release', 'the compiler', 'a new crate', 'our team', 'the conference', 'that meetup', 'coffee', 'the garden', 'the sea'];
const VERBS = ['makes', 'needs', 'loves', 'ships', 'breaks', 'explains', 'improves', 'surprises', 'hires for', 'talks about', 'rewrites'];
const OBJECTS = ['async code', 'search engines', 'everything', 'the morning', 'small teams', 'fast tests', 'old servers', 'good documentation', 'live data', 'pelicans', 'the weekend', 'my keyboard'];
const TAILS = ['today', 'again', 'at last', 'with a smile ☀️', 'and it shows', '– thread', 'in Berlin', 'before lunch', '🦀🦀', 'as always'];
const TAGS = ['#rust', '#rustlang', '#java', '#opensource', '#berlin', '#search', '#livedata', '#jobs'];
const LANGS = ['en', 'en', 'en', 'en', 'en', 'en', 'en', 'de'];

/**
 * A lively made-up tweet.
 *
 * @param {number} n
 * @param {() => number} random
 * @param {number} time
 */
export function lively(n, random, time) {
  /** @template T @param {T[]} list */
  const pick = (list) => /** @type {T} */ (list[Math.floor(random() ** 1.6 * list.length)]);
  const person = pick(PEOPLE);
  const screen = person.normalize('NFKD').replace(/[^A-Za-z]/g, '').toLowerCase().slice(0, 12) || 'alexey';
  const parts = [pick(SUBJECTS), pick(VERBS), pick(OBJECTS), pick(TAILS)];
  if (random() < 0.5) parts.push(pick(TAGS));
  if (random() < 0.2) parts.unshift(`@${pick(['ada', 'grace', 'perch', 'ferris'])}`);
  const urls = random() < 0.25 ? [{ url: 'https://t.co/abc123', expanded_url: 'https://example.org/notes/live-search', display_url: 'example.org/notes/live-sea…' }] : [];
  if (urls.length) parts.push('https://t.co/abc123');
  const text = parts.join(' ').replace(/^\w/, (first) => first.toUpperCase());
  return tweet(n, {
    text,
    created_at: new Date(time).toISOString(),
    lang: pick(LANGS),
    user: { name: person, screen_name: screen, followers_count: Math.floor(10 ** (1 + random() * 4.5)) },
    retweet_count: random() < 0.3 ? Math.floor(10 ** (random() * 3)) : 0,
    favorite_count: random() < 0.4 ? Math.floor(10 ** (random() * 3)) : 0,
    entities: {
      hashtags: Array.from(text.matchAll(/#(\w+)/g), ([, tag]) => ({ text: tag })),
      urls,
      user_mentions: Array.from(text.matchAll(/@(\w+)/g), ([, name]) => ({ screen_name: name })),
    },
  });
}

/**
 * Terms of a text as `cmd/analyze` answers with them, for a server that is played: runs of letters
 * and digits in lower case, without
 * accents, and single characters of scripts without spaces. The real analyzer knows more.
 *
 * @param {string} text
 * @returns {[string, number, number][]}
 */
export function playedTerms(text) {
  let at = 0;
  let byte = 0;
  const bytes = (/** @type {number} */ end) => {
    byte += Buffer.byteLength(text.slice(at, end));
    at = end;
    return byte;
  };
  const found = text.replaceAll(/https?:\/\/\S+/g, (url) => ' '.repeat(url.length)).matchAll(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{M}\p{N}])+/gu);
  return [...found].map(({ 0: word, index }) => [word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase(), bytes(index), bytes(index + word.length)]);
}
