// A column: one live search, from its registration to what is shown.
//
//   subscribe ──> watermark W ──> history up to W, page by page ─┐
//                         └─────> pushes after W ────────────────┴──> feed ──> frame ──> view
//
// History and pushes are apart by the watermark, so together they hold every matching tweet exactly
// once.

import { signal } from '../vendor/signals-core.js';
import { LOST } from './connection.js';
import { Feed } from './feed.js';
import { RateMeter, TEMPO_TWEETS, Tempo } from './format.js';
import { Marks } from './marks.js';
import { SPARK_BARS, Spark } from './spark.js';
import { Spread } from './spread.js';
import { readTweet } from './tweet.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./connection.js').Fault} Fault */
/** @typedef {import('./feed.js').Order} Order */
/** @typedef {import('./tweet.js').Tweet} Tweet */
/** @typedef {'registering' | 'live' | 'failed'} Phase */
/** @typedef {'none' | 'loading' | 'stopped' | 'more' | 'all' | 'full' | 'failed'} History */
/**
 * @typedef {'' | 'hand' | 'reading' | 'held'} Pause held: someone points at a tweet, or is in one
 */

/** Tweets that come faster than this, a second, are shown in batches, and so far apart. */
const BATCHED_RATE = 5;
const BATCH_MS = 1000;
/** The first page is small: it is there at once. */
const FIRST_PAGE = 40;
const PAGE = 200;
/** How much history comes by itself, and with each further wish. */
export const HISTORY_SIZES = /** @type {const} */ ([100, 500, 2000, 10_000]);
/** How many tweets a column can keep. */
export const CAPS = /** @type {const} */ ([500, 2000, 10_000]);
/** @typedef {'narrow' | 'normal' | 'wide'} Width */
/** @type {readonly Width[]} */
export const WIDTHS = ['narrow', 'normal', 'wide'];
/** @typedef {'normal' | 'compact'} Density */
/** @type {readonly Density[]} */
export const DENSITIES = ['normal', 'compact'];
/** Tweets to a page; 0 is endless. */
export const PAGE_SIZES = /** @type {const} */ ([0, 5, 10, 25, 100]);

/**
 * What can be set for each column.
 *
 * @typedef {object} Settings
 * @property {number} pageSize of {@link PAGE_SIZES}
 * @property {number} history how much of it is loaded by itself, of {@link HISTORY_SIZES}
 * @property {number} cap of {@link CAPS}
 * @property {import('./feed.js').Retweets} retweets
 * @property {Width} width
 * @property {Density} density
 * @property {boolean} sound a tone when a tweet comes
 * @property {boolean} notify desktop notifications
 * @property {boolean} title whether it counts in the title
 */

/** @type {Settings} */
export const DEFAULTS = { pageSize: 0, history: 500, cap: 2000, retweets: 'fold', width: 'normal', density: 'normal', sound: false, notify: false, title: false };

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
  page = signal(0);
  /** @type {import('../vendor/signals-core.js').Signal<Settings>} */
  settings;
  /** Tweets that came while nobody looked. */
  unseen = 0;
  /** @type {number | null} */
  watermark = null;
  #tempo = new Tempo();
  /** How many come at this moment. */
  pace = new RateMeter(2);
  /** What it is about, once somebody wants to know. @type {Spread | null} */
  spread = null;
  /** How many came over the last while. @type {Spark | null} */
  spark = null;
  /** Up to here everything was pushed. */
  #seq = 0;

  /** A batch that waits for its turn, and when the last one was shown. @type {any} */
  #batch = null;
  #shownAt = 0;
  /** @type {string | null} */
  #next = null;
  /** Counts up with each thing that ends a load under way. */
  #run = 0;
  #wanted = 0;
  /**
   * Whether the number of matching tweets has to be asked for, and whether the server is being
   * asked.
   */
  #isUncounted = false;
  #isCounting = false;

  /**
   * @param {object} options
   * @param {string} options.name no other column ever had it
   * @param {string} options.query
   * @param {Order} [options.order]
   * @param {Partial<Settings>} [options.settings]
   * @param {Connection} options.connection
   * @param {(run: () => void) => void} options.frame runs it with the next frame
   * @param {(column: Column, tweet: Tweet) => void} [options.onpush]
   * @param {boolean} [options.isSketched] whether the server counts how many came over the last
   *   while
   */
  constructor({ name, query, order = 'latest', settings = {}, connection, frame, onpush = () => {}, isSketched = false }) {
    this.name = name;
    this.query = query;
    this.marks = new Marks(query);
    this.connection = connection;
    this.settings = signal({ ...DEFAULTS, ...settings });
    this.feed = new Feed({ cap: this.settings.value.cap, retweets: this.settings.value.retweets, order });
    this.order = signal(order);
    this.frame = frame;
    this.onpush = onpush;
    this.isSketched = isSketched;
  }

  /** Registers it. */
  start() {
    this.connection.subscribe(this.name, this.query, {
      onregistered: ({ seq, resumed }) => {
        this.phase.value = 'live';
        this.error.value = null;
        if (resumed) return;
        this.watermark = seq;
        this.#seq = seq;
        void this.load(this.settings.value.history);
        if (this.isSketched) void this.#sketch(seq);
      },
      ontweet: (raw, seq) => this.#push(raw, seq),
      ongone: (id, seq) => {
        this.#seq = seq;
        this.feed.remove(id);
        this.changed();
        void this.#recount();
      },
      onwithheld: (seq) => {
        this.#seq = seq;
        void this.#recount();
      },
      onerror: (fault) => {
        this.phase.value = 'failed';
        this.error.value = fault;
      },
      onrestart: () => {
        this.#run++;
        this.#next = null;
        this.watermark = null;
        this.feed.clear();
        this.spread?.end();
        this.spread = null;
        this.spark = null;
        this.phase.value = 'registering';
        this.history.value = 'none';
        this.changed();
      },
    });
  }

  /** Shows tweets until the first page of history is there. @param {unknown[]} raws */
  preview(raws) {
    this.feed.preview(raws.flatMap((raw) => readTweet(raw) ?? []));
    this.changed();
  }

  /** Ends it. */
  end() {
    this.#run++;
    clearTimeout(this.#batch);
    this.spread?.end();
    this.connection.unsubscribe(this.name);
  }

  /** Shows what changed, with the next frame. */
  changed() {
    this.frame(this.#show);
  }

  #show = () => {
    clearTimeout(this.#batch);
    this.#batch = null;
    this.#shownAt = Date.now();
    this.version.value++;
  };

  /**
   * Shows tweets that were pushed: where they are many, those of a second together.
   *
   * @param {number} now
   */
  #pushed(now) {
    if (this.#batch !== null) return;
    const wait = this.pace.rate(now) < BATCHED_RATE ? 0 : Math.min(BATCH_MS, this.#shownAt + BATCH_MS - now);
    if (wait <= 0) this.changed();
    else this.#batch = setTimeout(() => this.changed(), wait);
  }

  /** @param {unknown} raw @param {number} seq */
  #push(raw, seq) {
    this.#seq = seq;
    const tweet = readTweet(raw);
    if (!tweet || !this.feed.push(tweet)) return;
    const now = Date.now();
    // What comes late, all at once, says nothing of how often tweets come.
    if (!this.connection.status.behind) this.#tempo.add(now);
    this.pace.add(now);
    this.spark?.add(tweet.time);
    this.onpush(this, tweet);
    this.#pushed(now);
  }

  /** How many tweets come a second. @param {number} now in ms */
  rate(now) {
    return this.#tempo.rate(now, () => this.feed.newest(TEMPO_TWEETS).map(({ time }) => time));
  }

  /** Has the server count what the search is about, unless it did so a moment ago. */
  analyze() {
    if (this.watermark === null) return;
    this.spread ??= new Spread({ connection: this.connection, query: this.query, changed: () => this.changed() });
    void this.spread.count(this.#seq);
  }

  /** Has the server count what came over the last while. @param {number} seq */
  async #sketch(seq) {
    const spark = new Spark();
    this.spark = spark;
    try {
      spark.take(await this.connection.request('cmd/aggregate', { query: this.query, by: 'created_at', n: SPARK_BARS, until_seq: seq }), Date.now());
      this.changed();
    } catch {
      // There is no picture then.
      if (this.spark === spark) this.spark = null;
    }
  }

  /** Tweets were withheld, or are gone: asks the server how many match in all. */
  async #recount() {
    this.#isUncounted = true;
    if (this.#isCounting) return;
    this.#isCounting = true;
    while (this.#isUncounted) {
      this.#isUncounted = false;
      const { watermark, feed } = this;
      const { pushed } = feed;
      try {
        const answer = await this.connection.request('cmd/query', { query: this.query, n: 0, until_seq: this.#seq });
        if (this.watermark === watermark) feed.historyTotal = Number(answer?.total) - pushed;
      } catch (fault) {
        if (/** @type {Fault} */ (fault)?.code !== LOST) break;
        await this.connection.whenOpen();
        this.#isUncounted = this.watermark === watermark;
      }
    }
    this.#isCounting = false;
    this.changed();
  }

  /** Loads so many more tweets of history, as far as there is room. @param {number} [n] */
  async load(n = PAGE) {
    if (this.watermark === null || this.history.value === 'loading' || this.history.value === 'all') return;
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
    // Who holds it may read on, and pause it; not the other way round.
    const order = ['', 'held', 'reading', 'hand'];
    if (order.indexOf(why) <= order.indexOf(this.pause.value)) return;
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

  /** @param {Partial<Settings>} change */
  configure(change) {
    const settings = { ...this.settings.value, ...change };
    this.settings.value = settings;
    if (change.pageSize !== undefined) this.page.value = 0;
    if (change.cap !== undefined) {
      this.feed.cap = settings.cap;
      if (this.history.value === 'full' && this.feed.room > 0) this.history.value = 'more';
    }
    if (change.retweets !== undefined) this.feed.retweets = change.retweets;
    if (change.history !== undefined) void this.load(Math.max(0, settings.history - this.feed.loaded));
    this.changed();
  }
}
