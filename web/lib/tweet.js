// A tweet as the page uses it, read from JSON that anybody may have written: nothing about its
// shape is taken for granted.
//
// Ids are strings throughout: they are larger than JavaScript's numbers can hold.

/**
 * @typedef {object} Link
 * @property {string} url as it stands in the text
 * @property {string} href where it leads
 * @property {string} label what is shown
 */

/**
 * @typedef {{kind: 'photo' | 'video', src: string, href: string, alt: string}} Media src: of the
 *   picture, of a video its poster
 */

/**
 * @typedef {object} Tweet
 * @property {string} id
 * @property {string} key sorts as the server sorts tweets
 * @property {any} raw the JSON as it came
 * @property {string} text
 * @property {string} name
 * @property {string} screen
 * @property {string | null} avatar
 * @property {number} followers
 * @property {number} time in milliseconds since 1970; NaN when unknown
 * @property {string} lang
 * @property {number} retweets
 * @property {number} favorites
 * @property {string | null} replyTo
 * @property {string[]} hashtags without their sign
 * @property {string[]} mentions screen names
 * @property {Link[]} links
 * @property {Media[]} media pictures and videos, in order
 * @property {boolean} isSensitive its author or network warns of its pictures
 * @property {string[]} poll the options of its poll
 * @property {string | null} href of its page
 * @property {string | null} userHref of its author's page
 * @property {Tweet | null} quoted
 * @property {string | null} originalId what this retweets
 * @property {Tweet | null} original the same, when it came along
 */

/** The longest number in `id`: 2^64 has 20 digits. */
const ID_DIGITS = 20;

/** @param {string} digits */
const padded = (digits) => digits.padStart(ID_DIGITS, '0');

/** @param {unknown} value @returns {Record<string, any>} */
const object = (value) => (value !== null && typeof value === 'object' ? /** @type {any} */ (value) : {});

/** @param {unknown} value @returns {any[]} */
const array = (value) => (Array.isArray(value) ? value : []);

/** @param {unknown} value */
const string = (value) => (typeof value === 'string' ? value : '');

/** @param {unknown} value */
const count = (value) => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.floor(value) : 0);

/**
 * The identity of an object: `id_str`, or `id` when it is small enough to be exact.
 *
 * @param {Record<string, any>} raw
 */
function idOf(raw) {
  if (typeof raw.id_str === 'string' && raw.id_str !== '') return raw.id_str;
  return Number.isSafeInteger(raw.id) && raw.id >= 0 ? String(raw.id) : null;
}

/**
 * The key of a tweet. An identity that is no number, such as Bluesky's, has its order in `id`.
 * JavaScript rounds that number, which
 * can change the order of tweets of the same millisecond.
 *
 * @param {string} id
 * @param {unknown} number
 */
function keyOf(id, number) {
  if (/^\d{1,20}$/.test(id)) return padded(id);
  const order = typeof number === 'number' && Number.isFinite(number) && number > 0 ? BigInt(Math.floor(number)) : 0n;
  return `${padded(String(order))} ${id}`;
}

/** @param {unknown} value an address to go to or to load from: only http and https will do */
export function safeUrl(value) {
  if (typeof value !== 'string') return null;
  try {
    const url = new URL(value);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * Whether an address is one of those that lead nowhere, for examples (RFC 2606).
 * @param {string} url
 */
export const isExample = (url) => /^https?:\/\/(?:[^/]+\.)?example\.(?:com|org|net)\//.test(url);

/** @type {Record<string, string>} */
const NAMED = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'", nbsp: '\u00a0' };

/**
 * @param {string} text HTML entities as the characters that they mean: Twitter escapes `<`, `>` and
 *   `&`, others write numbers
 */
const unescape = (text) =>
  text.replace(/&(?:(lt|gt|amp|quot|apos|nbsp)|#(\d{1,7})|#[xX]([\da-fA-F]{1,6}));/g, (whole, name, decimal, hex) => {
    if (name) return NAMED[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : whole;
  });

/**
 * Tweets that were read, by their JSON: every column that a tweet is in shares it.
 * @type {WeakMap<object, Tweet>}
 */
const known = new WeakMap();

/**
 * @param {unknown} value
 * @returns {Tweet | null} null when it has no id
 */
export function readTweet(value) {
  if (value === null || typeof value !== 'object') return null;
  const before = known.get(value);
  if (before) return before;
  const tweet = read(value, 0);
  if (tweet) known.set(value, tweet);
  return tweet;
}

/** @param {unknown} value @param {number} depth @returns {Tweet | null} */
function read(value, depth) {
  const raw = object(value);
  const id = idOf(raw);
  if (id === null) return null;
  const retweeted = object(raw.retweeted_status);
  const original = depth === 0 && (typeof retweeted.text === 'string' || typeof retweeted.full_text === 'string') ? read(retweeted, 1) : null;
  return new ReadTweet(id, value, original, depth);
}

/** The address of an author, as that of a tweet begins: of X, Mastodon, Bluesky. */
const AUTHOR = /^(https?:\/\/[^/]+\/(?:profile\/[^/]+|@[^/]+|[^/]+(?=\/status)))\//;

/**
 * Of most tweets nothing is shown but their place in the count: what takes time is read when it is
 * asked for.
 * @implements {Tweet}
 */
class ReadTweet {
  #user;
  #entities;
  #depth;
  /** @type {Link[] | undefined} */
  #links;
  /** @type {Media[] | undefined} */
  #media;
  /** @type {Tweet | null | undefined} */
  #quoted;

  /**
   * @param {string} id
   * @param {unknown} value
   * @param {Tweet | null} original
   * @param {number} depth
   */
  constructor(id, value, original, depth) {
    const raw = object(value);
    const user = object(raw.user);
    this.#user = user;
    this.#entities = object(raw.entities);
    this.#depth = depth;
    this.id = id;
    this.key = keyOf(id, raw.id);
    this.raw = value;
    this.text = unescape(string(raw.full_text) || string(raw.text));
    this.name = string(user.name);
    this.screen = string(user.screen_name);
    this.followers = count(user.followers_count);
    this.time = timeOf(raw.created_at);
    this.lang = string(raw.lang);
    this.retweets = count(raw.retweet_count);
    this.favorites = count(raw.favorite_count);
    this.replyTo = string(raw.in_reply_to_screen_name) || null;
    this.originalId = original?.id ?? idOf(object(raw.retweeted_status)) ?? idOf({ id_str: raw.retweeted_status_id_str });
    this.original = original;
  }

  get avatar() {
    return safeUrl(this.#user.profile_image_url_https) ?? safeUrl(this.#user.profile_image_url);
  }

  get hashtags() {
    return array(this.#entities.hashtags).flatMap((tag) => string(object(tag).text) || []);
  }

  get mentions() {
    return array(this.#entities.user_mentions).flatMap((mention) => string(object(mention).screen_name) || []);
  }

  get links() {
    this.#links ??= array(this.#entities.urls).concat(array(this.#entities.media)).flatMap((entity) => {
      const { url, expanded_url: expanded, display_url: label } = object(entity);
      const href = safeUrl(expanded) ?? safeUrl(url);
      return typeof url === 'string' && href ? [{ url, href, label: string(label) || url }] : [];
    });
    return this.#links;
  }

  get media() {
    this.#media ??= mediaOf(this.#entities, object(object(this.raw).extended_entities));
    return this.#media;
  }

  get isSensitive() {
    return object(this.raw).possibly_sensitive === true;
  }

  get poll() {
    return array(object(this.raw).poll_options).flatMap((option) => string(option) || []).slice(0, MOST_OPTIONS);
  }

  get href() {
    const { url } = object(this.raw);
    if (typeof url === 'string') return safeUrl(url);
    // Twitter's tweets have no address of their own; their numbers are one.
    return /^\d{10,20}$/.test(this.id) && this.screen ? `https://x.com/${encodeURIComponent(this.screen)}/status/${this.id}` : null;
  }

  get userHref() {
    return AUTHOR.exec(this.href ?? '')?.[1] ?? null;
  }

  get quoted() {
    // A quoted tweet that quotes a tweet itself shows its text only.
    if (this.#quoted === undefined) this.#quoted = this.#depth < 2 ? read(object(this.raw).quoted_status, 2) : null;
    return this.#quoted;
  }
}

/** @param {unknown} value */
function timeOf(value) {
  if (typeof value === 'number') return value > 1e11 ? value : value * 1000;
  return typeof value === 'string' ? Date.parse(value) : NaN;
}

/** The most options of a poll that are shown. */
const MOST_OPTIONS = 20;
/** The most pictures of one tweet. */
const MOST_MEDIA = 4;

/**
 * @param {Record<string, any>} entities
 * @param {Record<string, any>} extended
 * @returns {Media[]}
 */
function mediaOf(entities, extended) {
  /** @type {Map<string, Media>} */
  const found = new Map();
  for (const entity of array(extended.media).concat(array(entities.media))) {
    const { media_url_https: https, media_url: http, expanded_url: expanded, url, ext_alt_text: alt, type } = object(entity);
    const src = safeUrl(https) ?? safeUrl(http);
    if (!src || found.has(src) || found.size >= MOST_MEDIA) continue;
    const kind = type === 'video' || type === 'animated_gif' ? 'video' : 'photo';
    found.set(src, { kind, src, href: safeUrl(expanded) ?? safeUrl(url) ?? src, alt: string(alt) });
  }
  return [...found.values()];
}

/** @param {Tweet} tweet up to two letters that stand for a picture */
export function initials(tweet) {
  const words = (tweet.name || tweet.screen).match(/[\p{L}\p{N}]+/gu) ?? [];
  const first = (/** @type {string} */ word) => [...word][0] ?? '';
  return ((words[0] ? first(words[0]) : '?') + (words.length > 1 ? first(words[words.length - 1]) : '')).toLocaleUpperCase();
}

/** @param {string} text a hue from 0 to 359, always the same for the same text */
export function hueOf(text) {
  let hash = 7;
  for (let at = 0; at < text.length; at++) hash = (hash * 31 + text.charCodeAt(at)) % 360_000;
  return hash % 360;
}
