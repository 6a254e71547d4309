// A column: one live search, from its registration to what is shown.
//
//   subscribe ──> watermark W ──> history up to W, page by page ─┐
//                         └─────> pushes after W ────────────────┴──> feed ──> frame ──> view
//
// History and pushes are apart by the watermark, so together they hold every matching tweet exactly once.

import { signal } from '../vendor/signals-core.js';
import { LOST } from './connection.js';
import { Feed } from './feed.js';
import { RateMeter } from './format.js';
import { marksOf } from './marks.js';
import { readTweet } from './tweet.js';
import { Timeline } from './words.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./connection.js').Fault} Fault */
/** @typedef {import('./feed.js').Order} Order */
/** @typedef {import('./tweet.js').Tweet} Tweet */
/** @typedef {'registering' | 'live' | 'failed'} Phase */
/** @typedef {'none' | 'loading' | 'stopped' | 'more' | 'all' | 'full' | 'failed'} History */
/** @typedef {'' | 'hand' | 'reading'} Pause */

/** The first page is small: it is there at once. */
const FIRST_PAGE = 40;
const PAGE = 200;
/** How many bars the tweets over time have at most. */
const BARS = 60;
/** How many pushes are remembered for the count. More than that in one answer's time is more than can be read. */
const MOST_BEFORE = 100_000;
/** How much history comes by itself, and with each further wish. */
export const HISTORY_SIZES = /** @type {const} */ ([100, 500, 2000, 10_000]);
/** How many tweets a column can keep. */
export const CAPS = /** @type {const} */ ([500, 2000, 10_000]);
/** Tweets to a page; 0 is endless. */
export const PAGE_SIZES = /** @type {const} */ ([0, 5, 10, 25, 100]);

export class Column {
  /** Counts up when there is something new to show. */
  version = signal(0);
  /** @type {import('../vendor/signals-core.js').Signal<Phase>} */
  phase = signal(/** @type {Phase} */ ('registering'));
  /** @type {import('../vendor/signals-core.js').Signal<Fault | null>} */
  error = signal(/** @type {Fault | null} */ (null));
  /** @type {import('../vendor/signals-core.js').Signal<History>} */
  history = signal(/** @type {History} */ ('none'));
  /** Why it stands still, if it does. @type {import('../vendor/signals-core.js').Signal<Pause>} */
  pause = signal(/** @type {Pause} */ (''));
  /** @type {import('../vendor/signals-core.js').Signal<Order>} */
  order;
  pageSize = signal(0);
  page = signal(0);
  /** How much history is loaded by itself. */
  historySize = signal(500);
  notify = signal(false);
  countInTitle = signal(false);
  /** Tweets that came while nobody looked. */
  unseen = 0;
  /** @type {number | null} */
  watermark = null;
  rate = new RateMeter();
  /** All tweets over time, once the server has counted those of history. @type {Timeline | null} */
  timeline = null;
  /** When the tweets were written that were pushed before the server's count came. @type {number[]} */
  #pushedBefore = [];

  /** @type {string | null} */
  #next = null;
  /** Counts up with each thing that ends a load under way. */
  #run = 0;
  #wanted = 0;
  #hasEnded = false;

  /**
   * @param {object} options
   * @param {string} options.name no other column ever had it
   * @param {string} options.query
   * @param {Order} [options.order]
   * @param {number} [options.cap]
   * @param {Connection} options.connection
   * @param {(run: () => void) => void} options.frame runs it with the next frame
   * @param {(column: Column, tweet: Tweet) => void} [options.onpush]
   */
  constructor({ name, query, order = 'latest', cap = 2000, connection, frame, onpush = () => {} }) {
    this.name = name;
    this.query = query;
    this.marks = marksOf(query);
    this.connection = connection;
    this.feed = new Feed({ cap, order });
    this.order = signal(order);
    this.frame = frame;
    this.onpush = onpush;
  }

  /** Registers it. */
  start() {
    this.connection.subscribe(this.name, this.query, {
      onregistered: ({ seq, resumed }) => {
        this.phase.value = 'live';
        this.error.value = null;
        if (resumed) return;
        this.watermark = seq;
        void this.load(this.historySize.value);
        void this.#count();
      },
      ontweet: (raw, _seq) => this.#push(raw),
      onerror: (fault) => {
        this.phase.value = 'failed';
        this.error.value = fault;
      },
      onrestart: () => {
        this.#run++;
        this.#next = null;
        this.watermark = null;
        this.feed.clear();
        this.timeline = null;
        this.#pushedBefore = [];
        this.phase.value = 'registering';
        this.history.value = 'none';
        this.changed();
      },
    });
  }

  /** Ends it. */
  end() {
    this.#run++;
    this.#hasEnded = true;
    this.connection.unsubscribe(this.name);
  }

  /** Shows what changed, with the next frame. */
  changed() {
    this.frame(this.#show);
  }

  #show = () => {
    this.version.value++;
  };

  /** @param {unknown} raw */
  #push(raw) {
    const tweet = readTweet(raw);
    if (!tweet || !this.feed.push(tweet)) return;
    this.rate.add(Date.now());
    if (this.timeline) this.timeline.add(tweet.time);
    else if (this.#pushedBefore.length < MOST_BEFORE) this.#pushedBefore.push(tweet.time);
    this.onpush(this, tweet);
    this.changed();
  }

  /** Has the server count history over time. What was pushed meanwhile is counted in. */
  async #count() {
    const watermark = this.watermark;
    for (;;) {
      try {
        const answer = await this.connection.request('cmd/aggregate', { query: this.query, by: 'created', n: BARS, until_seq: watermark });
        if (this.watermark !== watermark || this.#hasEnded || this.#pushedBefore.length >= MOST_BEFORE) return;
        this.timeline = new Timeline(answer, BARS);
        for (const time of this.#pushedBefore) this.timeline.add(time);
        this.#pushedBefore = [];
        this.changed();
        return;
      } catch (fault) {
        // Without the count, what is loaded is shown over time.
        if (/** @type {Fault} */ (fault)?.code !== LOST || this.#hasEnded) return;
        await this.connection.whenOpen();
        if (this.watermark !== watermark) return;
      }
    }
  }

  /** Loads so many more tweets of history, as far as there is room. @param {number} [n] */
  async load(n = PAGE) {
    if (this.watermark === null || this.history.value === 'loading') return;
    this.#wanted = this.feed.loaded + n;
    const run = ++this.#run;
    this.history.value = 'loading';
    while (run === this.#run) {
      const left = Math.min(this.#wanted - this.feed.loaded, this.feed.room);
      if (left <= 0) {
        this.history.value = this.feed.room === 0 ? 'full' : 'more';
        break;
      }
      const most = this.connection.hello?.limits?.page ?? PAGE;
      const size = Math.min(this.#next === null ? FIRST_PAGE : PAGE, left, most);
      try {
        const before = this.#next === null ? {} : { before_id: this.#next };
        const answer = await this.connection.request('cmd/query', { query: this.query, n: size, until_seq: this.watermark, ...before });
        if (run !== this.#run) return;
        this.#take(answer);
        if (this.#next === null) {
          this.history.value = 'all';
          break;
        }
      } catch (fault) {
        if (run !== this.#run) return;
        if (/** @type {Fault} */ (fault)?.code !== LOST) {
          this.history.value = 'failed';
          break;
        }
        // The watermark holds across connections; the next page is asked for again.
        await this.connection.whenOpen();
      }
    }
    this.changed();
  }

  /** @param {any} answer */
  #take(answer) {
    const page = Array.isArray(answer?.result) ? answer.result : [];
    // The first page counts all; a later one counts what is left from its place on.
    this.feed.historyTotal ??= Number(answer?.total) || 0;
    this.feed.add(page.flatMap((/** @type {unknown} */ raw) => readTweet(raw) ?? []));
    this.#next = answer?.next === null || answer?.next === undefined || page.length === 0 ? null : String(answer.next);
    this.changed();
  }

  /** Stops loading. */
  stop() {
    if (this.history.value !== 'loading') return;
    this.#run++;
    this.history.value = 'stopped';
  }

  /** @param {Exclude<Pause, ''>} why */
  stand(why) {
    if (this.pause.value === 'hand') return;
    this.feed.pause();
    this.pause.value = why;
  }

  /** Brings in what waits. */
  resume() {
    this.feed.resume();
    this.pause.value = '';
    this.page.value = 0;
    this.changed();
  }

  /** @param {Order} order */
  setOrder(order) {
    this.feed.order = order;
    this.order.value = order;
    this.page.value = 0;
    this.changed();
  }

  /** @param {number} cap */
  setCap(cap) {
    this.feed.cap = cap;
    if (this.history.value === 'full' && this.feed.room > 0) this.history.value = 'more';
    this.changed();
  }
}
