// The tweets of one column: bounded, in the order asked for, standing still while someone reads.
//
//   history ──> add ──┐
//   pushes ──> push ──┼──> loaded ──> view(): what is shown, in order
//                     └──> waiting, while paused: counted, and brought in by resume()
//
// Knows nothing of the page and of the connection. A tweet is here once, by its id; a newer version
// takes the place of the older one. When there are more than `cap` the oldest go, and the counts
// stay: they count what was found, not what is kept.

import { RecentIds } from './recent.js';

/** @typedef {import('./tweet.js').Tweet} Tweet */
/** @typedef {'latest' | 'followers' | 'retweets' | 'seen' | 'reach' | 'favorites'} Order */

/**
 * @typedef {'fold' | 'each' | 'hide'} Retweets how retweets are shown: a tweet once, each retweet,
 *   or none
 */

/** All ways, as they are offered. @type {readonly Retweets[]} */
export const RETWEETS = ['fold', 'each', 'hide'];

/** All orders, as they are offered. @type {readonly Order[]} */
export const ORDERS = ['latest', 'followers', 'retweets', 'seen', 'reach', 'favorites'];

/**
 * What is shown in one place: a tweet, and the retweet it came by.
 *
 * @typedef {object} Item
 * @property {string} id what it is known by in the view
 * @property {Tweet} tweet as it came: in `latest` and `followers` it may be a retweet
 * @property {number} seen retweets of it that came since the search started
 * @property {number} reach followers of all who brought it
 * @property {number} retweets the largest count that it or one of its retweets came with
 * @property {number} favorites the same
 */

/**
 * A tweet and its retweets.
 *
 * @typedef {object} Group
 * @property {string} id
 * @property {Tweet | null} tweet the original; null when it is not loaded
 * @property {Tweet} last what came last of it
 * @property {number} seen
 * @property {number} retweets
 * @property {number} favorites
 * @property {number} reach
 * @property {Set<string>} who brought it, so that nobody counts twice
 */

/** Groups and waiting tweets that are too many go together, one part in this many of the cap. */
const BATCH_SHARE = 8;
/** How many ids of tweets that are not kept any more are remembered, per tweet that is kept. */
const REMEMBERED = 10;

export class Feed {
  /** Matching tweets at the watermark, as the server counted them. @type {number | null} */
  historyTotal = null;
  /** Tweets that were pushed. */
  pushed = 0;
  /** Tweets of history that were loaded. */
  loaded = 0;
  /** @type {Order} */
  #order = 'latest';
  #cap;
  #retweets;
  /** @type {((tweet: Tweet) => boolean) | null} */
  #isMuted = null;
  /**
   * What is shown of the loaded tweets, newest first, until something changes.
   *
   * @type {Tweet[] | null}
   */
  #shown = null;
  /** Loaded tweets, oldest first. @type {Tweet[]} */
  #tweets = [];
  /** @type {Map<string, Tweet>} */
  #byId = new Map();
  /** Ids of tweets that had to make room: one that comes again is no new one. */
  #trimmed = new RecentIds();
  /** Ids of tweets that were removed: a page of history that was under way may hold them. */
  #removed = new RecentIds();
  /**
   * Tweets that were found before the search was registered: shown, but not counted, until history
   * comes, which has them.
   *
   * @type {Map<string, Tweet>}
   */
  #early = new Map();
  /** @type {Map<string, Group>} */
  #groups = new Map();
  #isPaused = false;
  /** Pushed while paused, by id. @type {Map<string, Tweet>} */
  #waiting = new Map();
  #waitingCount = 0;
  /** What was shown when it was paused, in an order that isn't by age. @type {Item[] | null} */
  #frozen = null;

  /** @param {{cap?: number, order?: Order, retweets?: Retweets}} [options] */
  constructor({ cap = 2000, order = 'latest', retweets = 'each' } = {}) {
    this.#cap = cap;
    this.#order = order;
    this.#retweets = retweets;
  }

  /** @param {Retweets} retweets */
  set retweets(retweets) {
    this.#retweets = retweets;
    this.#shown = null;
    if (this.#frozen) this.#frozen = this.#ordered();
  }

  /** Which tweets are not shown. @param {((tweet: Tweet) => boolean) | null} isMuted */
  set muted(isMuted) {
    this.#isMuted = isMuted;
    this.#shown = null;
    if (this.#frozen) this.#frozen = this.#ordered();
  }

  /** What is shown of the loaded tweets, newest first. */
  #visible() {
    const isMuted = this.#isMuted;
    const isWanted = {
      each: () => true,
      hide: (/** @type {Tweet} */ tweet) => tweet.originalId === null,
      // Of a tweet and its retweets the newest one.
      fold: (/** @type {Tweet} */ tweet) => {
        const group = this.#groups.get(tweet.originalId ?? tweet.id);
        return group === undefined || group.last.id === tweet.id;
      },
    }[this.#retweets];
    const isShown = isMuted ? (/** @type {Tweet} */ tweet) => !isMuted(tweet) && isWanted(tweet) : isWanted;
    this.#shown ??= this.#tweets.filter(isShown).reverse();
    return this.#shown;
  }

  get order() {
    return this.#order;
  }

  /** @param {Order} order */
  set order(order) {
    this.#order = order;
    if (this.#isPaused) this.#frozen = order === 'latest' ? null : this.#ordered();
  }

  get cap() {
    return this.#cap;
  }

  /** @param {number} cap */
  set cap(cap) {
    this.#cap = cap;
    this.#trim();
  }

  get isPaused() {
    return this.#isPaused;
  }

  /** Tweets that wait for the pause to end; not all of them need still be here. */
  get waitingCount() {
    return this.#waitingCount;
  }

  /** How many tweets are here. */
  get size() {
    return this.#tweets.length;
  }

  /** How many more tweets of history there is room for. */
  get room() {
    return Math.max(0, this.#cap - this.#tweets.length);
  }

  /** All matching tweets so far, loaded or not; null before the first page of history. */
  get total() {
    return this.historyTotal === null ? null : this.historyTotal + this.pushed;
  }

  /** Tweets that are here, newest first, those that wait not among them. @returns {Tweet[]} */
  get tweets() {
    return this.#tweets.toReversed();
  }

  /** The newest tweets that are here, oldest first. @param {number} n @returns {Tweet[]} */
  newest(n) {
    return this.#tweets.slice(-n);
  }

  /** @param {string} id @returns {Tweet | undefined} */
  get(id) {
    return this.#byId.get(id) ?? this.#groups.get(id)?.tweet ?? undefined;
  }

  /** Takes tweets of history. @param {Tweet[]} page @returns {number} how many were new */
  add(page) {
    let added = 0;
    for (const id of [...this.#early.keys()]) this.#forget(id);
    for (const tweet of page) {
      if (this.#byId.has(tweet.id) || this.#waiting.has(tweet.id) || this.#removed.has(tweet.id)) continue;
      this.#insert(tweet);
      added++;
    }
    this.loaded += added;
    this.#trim();
    return added;
  }

  /** Shows tweets while history is on its way. @param {Tweet[]} tweets */
  preview(tweets) {
    if (this.historyTotal !== null) return;
    for (const tweet of tweets) {
      if (this.#byId.has(tweet.id) || this.#waiting.has(tweet.id) || this.#removed.has(tweet.id)) continue;
      this.#early.set(tweet.id, tweet);
      this.#insert(tweet);
    }
  }

  /** Takes a tweet out again that was shown early. @param {string} id */
  #forget(id) {
    const tweet = this.#early.get(id);
    if (!tweet) return;
    this.#early.delete(id);
    this.#take(tweet);
    this.#discount(id, tweet);
  }

  /**
   * Takes a tweet that was pushed.
   *
   * @param {Tweet} tweet
   * @returns {boolean} whether it is a new one
   */
  push(tweet) {
    this.#removed.delete(tweet.id);
    const isShown = this.#early.has(tweet.id);
    this.#forget(tweet.id);
    const isKnown = this.#byId.has(tweet.id) || this.#waiting.has(tweet.id) || this.#trimmed.has(tweet.id);
    if (this.#isPaused && !isShown && !this.#byId.has(tweet.id)) {
      if (this.#trimmed.has(tweet.id)) return false;
      this.#waiting.set(tweet.id, tweet);
      this.#drop(this.#waiting, this.#cap, (id) => this.#trimmed.add(id, this.#cap * REMEMBERED));
      if (!isKnown) this.#waitingCount++;
    } else if (this.#byId.has(tweet.id)) this.#replace(tweet);
    else if (!this.#trimmed.has(tweet.id)) {
      this.#insert(tweet);
      this.#trim();
    }
    if (!isKnown) this.pushed++;
    return !isKnown;
  }

  /**
   * Removes a tweet that is deleted or matches no more, also from a view that stands still.
   *
   * @param {string} id
   */
  remove(id) {
    this.#removed.add(id, this.#cap * REMEMBERED);
    this.#early.delete(id);
    this.#trimmed.delete(id);
    if (this.#waiting.delete(id)) this.#waitingCount--;
    const tweet = this.#byId.get(id);
    if (tweet) this.#take(tweet);
    this.#discount(id, tweet);
    if (this.#frozen) this.#frozen = this.#frozen.filter((item) => item.id !== id && item.tweet.id !== id);
  }

  /** From here on the view stands still. */
  pause() {
    if (this.#isPaused) return;
    this.#frozen = this.#order === 'latest' ? null : this.#ordered();
    this.#isPaused = true;
  }

  /** Brings in what waits. */
  resume() {
    this.#isPaused = false;
    this.#frozen = null;
    for (const tweet of this.#waiting.values()) this.#insert(tweet);
    this.#waiting.clear();
    this.#waitingCount = 0;
    this.#trim();
  }

  /** The tweet that retweets here are of, fetched by its id. @param {Tweet} tweet */
  found(tweet) {
    const group = this.#groups.get(tweet.id);
    if (!group || this.#removed.has(tweet.id)) return;
    this.#original(group, tweet);
  }

  /**
   * Originals that are not here, of the newest retweets.
   *
   * @param {number} among how many tweets are looked at
   * @param {(id: string) => boolean} isAsked what was asked for already
   * @returns {string[]} the originals' ids
   */
  missing(among, isAsked) {
    /** @type {Set<string>} */
    const ids = new Set();
    for (const tweet of this.#tweets.slice(-among)) {
      const id = tweet.originalId;
      if (id && !tweet.original && !this.get(id) && !isAsked(id)) ids.add(id);
    }
    return [...ids];
  }

  /** The original of a retweet, when it is here. @param {Tweet} tweet @returns {Tweet | null} */
  originalOf(tweet) {
    return tweet.originalId ? (this.#groups.get(tweet.originalId)?.tweet ?? tweet.original) : null;
  }

  /** Everything is forgotten but the order and the cap. */
  clear() {
    this.#shown = null;
    this.historyTotal = null;
    this.pushed = 0;
    this.loaded = 0;
    this.#tweets = [];
    this.#byId.clear();
    this.#trimmed.clear();
    this.#removed.clear();
    this.#early.clear();
    this.#groups.clear();
    this.#waiting.clear();
    this.#waitingCount = 0;
    if (this.#frozen) this.#frozen = [];
  }

  /** What is shown, in order. @param {number} [from] @param {number} [most] @returns {Item[]} */
  view(from = 0, most = Infinity) {
    if (this.#order === 'latest') return this.#visible().slice(from, from + most).map((tweet) => this.#item(tweet));
    return (this.#frozen ?? this.#ordered()).slice(from, from + most);
  }

  /** How many items {@link view} has in all. */
  get viewSize() {
    if (this.#order === 'latest' || this.#order === 'followers') return this.#frozen?.length ?? this.#visible().length;
    return this.#frozen?.length ?? (this.#isMuted ? this.#ordered().length : this.#groups.size);
  }

  /** @param {Tweet} tweet @returns {Item} */
  #item(tweet) {
    const group = this.#groups.get(tweet.originalId ?? tweet.id);
    const { seen = 0, reach = tweet.followers, retweets = tweet.retweets, favorites = tweet.favorites } = group ?? {};
    return { id: tweet.id, tweet, seen, reach, retweets, favorites };
  }

  /** @returns {Item[]} */
  #ordered() {
    if (this.#order === 'latest') return this.#visible().map((tweet) => this.#item(tweet));
    if (this.#order === 'followers') {
      const byFollowers = this.#visible().toSorted((a, b) => b.followers - a.followers || (a.key < b.key ? 1 : -1));
      return byFollowers.map((tweet) => this.#item(tweet));
    }
    const order = this.#order;
    const isMuted = this.#isMuted;
    const groups = [...this.#groups.values()].filter(({ tweet, last }) => !isMuted?.(tweet ?? last));
    groups.sort((a, b) => b[order] - a[order] || (a.last.key < b.last.key ? 1 : -1));
    return groups.map(({ id, tweet, last, seen, reach, retweets, favorites }) => ({ id, tweet: tweet ?? last, seen, reach, retweets, favorites }));
  }

  /** @param {Tweet} tweet that is not here yet */
  #insert(tweet) {
    this.#shown = null;
    this.#byId.set(tweet.id, tweet);
    this.#tweets.splice(this.#place(tweet.key), 0, tweet);
    this.#count(tweet);
  }

  /** @param {Tweet} tweet a newer version of one that is here */
  #replace(tweet) {
    const older = this.#byId.get(tweet.id);
    // It may have another time, and so another place.
    if (older) this.#take(older);
    this.#insert(tweet);
  }

  /** @param {Tweet} tweet that is here */
  #take(tweet) {
    this.#shown = null;
    this.#byId.delete(tweet.id);
    this.#tweets.splice(this.#place(tweet.key), 1);
  }

  /** Counts a tweet out. @param {string} id @param {Tweet} [tweet] what is known of it */
  #discount(id, tweet) {
    this.#shown = null;
    const group = this.#groups.get(tweet?.originalId ?? id);
    if (!group) return;
    if (group.who.delete(id)) {
      group.reach -= tweet?.followers ?? group.tweet?.followers ?? 0;
      if (tweet?.originalId) group.seen--;
    }
    if (group.tweet?.id === id) group.tweet = null;
    if (group.last.id !== id) return;
    const last = this.#tweets.findLast((tweet) => (tweet.originalId ?? tweet.id) === group.id) ?? group.tweet;
    if (last) group.last = last;
    else this.#groups.delete(group.id);
  }

  /** The place of a key in the loaded tweets. @param {string} key */
  #place(key) {
    // Almost all tweets are newer than all that are here.
    const last = this.#tweets[this.#tweets.length - 1];
    if (!last || last.key < key) return this.#tweets.length;
    let low = 0;
    let high = this.#tweets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (/** @type {Tweet} */ (this.#tweets[middle]).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Counts a tweet in with what it retweets. @param {Tweet} tweet */
  #count(tweet) {
    const id = tweet.originalId ?? tweet.id;
    const known = this.#groups.get(id);
    const group = known ?? { id, tweet: null, last: tweet, seen: 0, retweets: 0, favorites: 0, reach: 0, who: new Set() };
    // Moved to the end: the first groups are those that nothing came of for the longest time.
    this.#groups.delete(id);
    this.#groups.set(id, group);
    if (group.last.key <= tweet.key) group.last = tweet;
    if (tweet.originalId) {
      if (!group.who.has(tweet.id)) {
        group.who.add(tweet.id);
        group.seen++;
        group.reach += tweet.followers;
      }
      group.retweets = Math.max(group.retweets, tweet.retweets);
      const original = group.tweet ?? tweet.original ?? this.#byId.get(id);
      if (original) this.#original(group, original);
      if (tweet.original) {
        group.retweets = Math.max(group.retweets, tweet.original.retweets);
        group.favorites = Math.max(group.favorites, tweet.original.favorites);
      }
    } else this.#original(group, tweet);
    this.#drop(this.#groups, this.#cap * 2);
  }

  /** @param {Group} group @param {Tweet} tweet */
  #original(group, tweet) {
    this.#shown = null;
    if (!group.who.has(tweet.id)) {
      group.who.add(tweet.id);
      group.reach += tweet.followers;
    }
    group.tweet = tweet;
    group.retweets = Math.max(group.retweets, tweet.retweets);
    group.favorites = Math.max(group.favorites, tweet.favorites);
  }

  #trim() {
    this.#shown = null;
    // What is read does not go away; while paused nothing is brought in but history, which stops
    // when there is no room.
    const excess = this.#tweets.length - this.#cap;
    if (excess <= 0 || this.#isPaused) return;
    // One after the other: engines move the beginning of an array, and a `splice` would copy it.
    for (let n = 0; n < excess; n++) {
      const { id } = /** @type {Tweet} */ (this.#tweets.shift());
      this.#byId.delete(id);
      this.#trimmed.add(id, this.#cap * REMEMBERED);
    }
  }

  /**
   * Drops the first of many, now and then: to take out the first of a map is slow after others were
   * taken out.
   *
   * @param {Map<string, unknown>} map
   * @param {number} most
   * @param {(id: string) => void} [each]
   */
  #drop(map, most, each = () => {}) {
    if (map.size <= most + Math.floor(this.#cap / BATCH_SHARE)) return;
    for (const id of map.keys()) {
      if (map.size <= most) return;
      map.delete(id);
      each(id);
    }
  }
}
