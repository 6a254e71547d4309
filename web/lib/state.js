// The whole page's state: columns, what the server says, what the browser remembers. The view reads
// its signals and calls its methods.

import { signal } from '../vendor/signals-core.js';
import { Analyzer } from './analyzer.js';
import { Column } from './column.js';
import { Connection } from './connection.js';
import { Frames } from './frames.js';
import * as memory from './memory.js';
import { muting } from './mute.js';
import { SavedSearches } from './saved.js';
import { ring } from './sound.js';
import { readTweet } from './tweet.js';
import { MOST_COLUMNS, readPlaces, writePlaces } from './urls.js';

/** @typedef {import('./feed.js').Order} Order */
/** @typedef {import('./tweet.js').Tweet} Tweet */
/** @typedef {import('./urls.js').Place} Place */

/** Originals that are asked for at one time, and remembered as asked for. */
const MOST_ASKING = 4;
const MOST_ASKED = 20_000;
/** Where the token is kept: for this tab, until it is closed. */
const TOKEN = 'perch.token';
/** The same for a token that is for saved searches only: that of the operator. */
const SAVER_TOKEN = 'perch.token.saver';
/** So long it is said that tweets were withheld. */
const WITHHELD_MS = 10_000;
/** Tweets that a tile keeps: its rate is judged by them. */
const TILE_CAP = 60;
/** Between two notifications of one column, in ms. */
const NOTIFY_MS = 5000;

export class Perch {
  /** @type {import('../vendor/signals-core.js').Signal<Column[]>} */
  columns = signal(/** @type {Column[]} */ ([]));
  /** The name of the column that keys and the search field speak to. */
  active = signal('');
  /** @type {import('../vendor/signals-core.js').Signal<import('./connection.js').Status>} */
  connection$;
  /**
   * How many tweets the server did not send lately, since they were too many, and when the last of
   * them.
   */
  withheld = signal({ count: 0, at: 0 });
  /**
   * The column that was closed last, with its place, while that can be undone.
   *
   * @type {import('../vendor/signals-core.js').Signal<{place: Place, at: number} | null>}
   */
  closed = signal(/** @type {{place: Place, at: number} | null} */ (null));
  users = signal(0);
  tweets = signal(0);
  /** The time, every second, and every half minute. */
  second = signal(Date.now());
  minute = signal(Date.now());
  /** @type {import('../vendor/signals-core.js').Signal<memory.Memory>} */
  memory;
  frames = new Frames();

  #nextName = 1;
  /** Originals that were asked for. @type {Set<string>} */
  #asked = new Set();
  #asking = 0;
  #muted;
  /** @type {Map<string, number>} */
  #notified = new Map();

  /**
   * @param
   *   {{open: () => import('./connection.js').Socket, storage: Storage, session: Storage, newest:
   *     (query: string) => Promise<unknown[]>}}
   *   options storage: lasting, and for this tab; newest: tweets of a search that were asked for
   *   before
   */
  constructor({ open, storage, session, newest }) {
    this.storage = storage;
    this.session = session;
    this.newest = newest;
    this.memory = signal(memory.load(storage));
    this.#muted = muting(this.memory.value.muted);
    this.connection = new Connection({
      open,
      token: session.getItem(TOKEN) ?? '',
      onstatus: (status) => {
        if (status.state === 'locked') session.removeItem(TOKEN);
        const isOpened = status.state === 'open' && this.connection$.value.state !== 'open';
        this.connection$.value = status;
        // Who never saved anything is not asked who they are.
        if (isOpened && (this.memory.value.keeps || this.token)) void this.saved.load();
      },
      onevent: (event, payload) => {
        if (event === 'stats/users-count') this.users.value = Number(payload) || 0;
        else if (event === 'stats/total-tweet-count') this.tweets.value = Number(payload) || 0;
        else if (event === 'stream/limited') this.#limited(Number(payload?.count) || 0);
      },
    });
    this.saved = new SavedSearches({ token: () => session.getItem(SAVER_TOKEN) ?? this.token });
    this.analyzer = new Analyzer(this.connection);
    this.connection$ = signal(this.connection.status);
  }

  /** Connects, and opens what the address says. */
  start() {
    this.connection.connect();
    this.go(readPlaces(location.search));
    addEventListener('popstate', () => this.go(readPlaces(location.search)));
    addEventListener('online', () => this.connection.status.state === 'waiting' && this.connection.connect());
    setInterval(() => (this.second.value = Date.now()), 1000);
    setInterval(() => (this.minute.value = Date.now()), 30_000);
    document.addEventListener('visibilitychange', () => this.#seen());
    // Another tab has changed something.
    addEventListener('storage', () => {
      this.memory.value = memory.load(this.storage);
      this.#mute();
    });
  }

  get token() {
    return this.session.getItem(TOKEN) ?? '';
  }

  /** @param {string} token */
  authorize(token) {
    this.session.setItem(TOKEN, token);
    this.connection.authorize(token);
  }

  /** Goes on with a token for saved searches. @param {string} token */
  authorizeSaver(token) {
    this.session.setItem(SAVER_TOKEN, token);
    void this.saved.load();
  }

  /** The server saves searches for this person: their names are read with the page from now on. */
  remembersSaver() {
    if (!this.memory.value.keeps) this.remember({ ...this.memory.value, keeps: true });
  }

  /** @param {number} n */
  #limited(n) {
    const now = Date.now();
    const { count, at } = this.withheld.value;
    this.withheld.value = { count: (now - at < WITHHELD_MS ? count : 0) + n, at: now };
  }

  /** How many tweets were withheld in the last seconds. */
  get withheldNow() {
    const { count, at } = this.withheld.value;
    return Math.max(this.second.value, at) - at < WITHHELD_MS ? count : 0;
  }

  /** The column that is spoken to. */
  get activeColumn() {
    return this.columns.value.find((column) => column.name === this.active.value);
  }

  /**
   * Shows these searches. Columns that are open already stay as they are.
   *
   * @param {Place[]} places
   */
  go(places) {
    const left = [...this.columns.value];
    const columns = places.map(({ query, order }) => {
      const at = left.findIndex((column) => column.query === query);
      const [column] = at < 0 ? [] : left.splice(at, 1);
      if (column && column.order.value !== order) column.setOrder(order);
      return column ?? this.#open(query, order);
    });
    for (const column of left) column.end();
    this.columns.value = columns;
    if (!columns.some((column) => column.name === this.active.value)) this.active.value = columns[0]?.name ?? '';
    this.#title();
  }

  /**
   * A search beside the columns, with one tweet of history. It is to be ended.
   *
   * @param {string} query
   */
  tile(query) {
    const column = new Column({
      name: `t${this.#nextName++}`,
      query,
      settings: { history: 1, cap: TILE_CAP },
      connection: this.connection,
      frame: (run) => this.frames.ask(run),
      isSketched: true,
    });
    column.start();
    return column;
  }

  /** @param {string} query @param {Order} order */
  #open(query, order) {
    const column = new Column({
      name: `c${this.#nextName++}`,
      query,
      order,
      settings: this.memory.value.settings[query],
      isSketched: true,
      connection: this.connection,
      frame: (run) => this.frames.ask(run),
      onpush: (column, tweet) => this.#pushed(column, tweet),
    });
    column.feed.muted = this.#muted;
    column.version.subscribe(() => this.#fetchMissing(column));
    column.start();
    void this.newest(query).then((raws) => column.preview(raws));
    return column;
  }

  /**
   * Starts a search: in the active column, or in one of its own.
   *
   * @param {string} text
   * @param {{own?: boolean}} [options]
   */
  search(text, { own = false } = {}) {
    const query = text.trim();
    if (!query) return;
    this.remember(memory.used(this.memory.value, query));
    const columns = this.columns.value;
    const at = columns.findIndex((column) => column.name === this.active.value);
    const places = columns.map(placeOf);
    const isNew = own || at < 0;
    if (isNew && places.length >= MOST_COLUMNS) return;
    const target = isNew ? places.length : at;
    if (places[target]?.query === query) return;
    places[target] = { query, order: places[target]?.order ?? 'latest' };
    this.visit(places);
    this.active.value = this.columns.value[target]?.name ?? this.active.value;
  }

  /** Opens these searches side by side, instead of what is open. @param {string[]} queries */
  openSet(queries) {
    this.visit(queries.slice(0, MOST_COLUMNS).map((query) => ({ query, order: 'latest' })));
  }

  /** Goes to these searches, so that one can come back. @param {Place[]} places */
  visit(places) {
    history.pushState(null, '', writePlaces(places) || location.pathname);
    this.go(places);
  }

  /**
   * Searches for something else in the same column, with its settings.
   *
   * @param {Column} column
   * @param {string} query
   */
  change(column, query) {
    const places = this.columns.value.map(placeOf);
    const at = this.columns.value.indexOf(column);
    const place = places[at];
    if (!place || place.query === query) return;
    places[at] = { ...place, query };
    this.remember(memory.configured(memory.used(this.memory.value, query), query, column.settings.value));
    this.visit(places);
    this.active.value = this.columns.value[at]?.name ?? this.active.value;
  }

  /** Opens the column again that was closed last, where it was. */
  undo() {
    const closed = this.closed.value;
    if (!closed) return;
    const places = this.columns.value.map(placeOf);
    places.splice(closed.at, 0, closed.place);
    this.closed.value = null;
    this.visit(places);
    this.active.value = this.columns.value[closed.at]?.name ?? this.active.value;
  }

  /** @param {Column} column */
  close(column) {
    this.closed.value = { place: placeOf(column), at: this.columns.value.indexOf(column) };
    this.visit(this.columns.value.filter((other) => other !== column).map(placeOf));
  }

  /** @param {Column} column @param {number} to its place among the columns */
  move(column, to) {
    const columns = this.columns.value.filter((other) => other !== column);
    columns.splice(Math.max(0, Math.min(to, columns.length)), 0, column);
    this.columns.value = columns;
    this.#replaceAddress();
  }

  /** @param {Column} column @param {Order} order */
  setOrder(column, order) {
    column.setOrder(order);
    this.#replaceAddress();
  }

  /** @param {Column} column @param {Partial<import('./column.js').Settings>} change */
  configure(column, change) {
    column.configure(change);
    this.remember(memory.configured(this.memory.value, column.query, column.settings.value));
  }

  #replaceAddress() {
    history.replaceState(null, '', writePlaces(this.columns.value.map(placeOf)) || location.pathname);
  }

  /** @param {memory.Memory} next */
  remember(next) {
    const { muted } = this.memory.value;
    this.memory.value = next;
    memory.store(this.storage, next);
    if (muted !== next.muted) this.#mute();
  }

  /** Speaks another language from now on. @param {import('../strings.js').Language} language */
  speak(language) {
    this.remember({ ...this.memory.value, language });
    location.reload();
  }

  /** Hides what is muted, in all columns. */
  #mute() {
    this.#muted = muting(this.memory.value.muted);
    for (const column of this.columns.value) {
      column.feed.muted = this.#muted;
      column.changed();
    }
  }

  /** @param {Column} column */
  #fetchMissing(column) {
    if (this.#asking >= MOST_ASKING || this.connection.status.state !== 'open') return;
    for (const id of column.feed.missing(60, (id) => this.#asked.has(id)).slice(-MOST_ASKING)) {
      this.#asked.add(id);
      if (this.#asked.size > MOST_ASKED) this.#asked.delete(/** @type {string} */ (this.#asked.values().next().value));
      this.#asking++;
      this.connection
        .request('cmd/missing', { id_str: id })
        .then((raw) => {
          const tweet = readTweet(raw);
          for (const other of tweet ? this.columns.value : []) {
            other.feed.found(/** @type {Tweet} */ (tweet));
            other.changed();
          }
        })
        .catch((fault) => {
          if (fault?.code !== 'not_found') this.#asked.delete(id);
        })
        .finally(() => {
          this.#asking--;
          if (this.connection.status.state === 'open') column.changed();
        });
    }
  }

  /** @param {Column} column @param {Tweet} tweet */
  #pushed(column, tweet) {
    if (this.#muted?.(tweet)) return;
    const now = Date.now();
    if (column.settings.value.sound) ring(now);
    if (!document.hidden) return;
    if (column.settings.value.title) {
      column.unseen++;
      this.frames.ask(this.#title);
    }
    if (!column.settings.value.notify || now - (this.#notified.get(column.name) ?? 0) < NOTIFY_MS) return;
    this.#notified.set(column.name, now);
    try {
      new Notification(column.query, { body: `${tweet.name}: ${tweet.text}`.slice(0, 300), tag: column.name });
    } catch {
      // Not allowed any more, or only from a service worker.
      this.configure(column, { notify: false });
    }
  }

  #seen() {
    if (document.hidden) return;
    for (const column of this.columns.value) column.unseen = 0;
    this.#title();
  }

  #title = () => {
    const columns = this.columns.value;
    const unseen = columns.reduce((sum, column) => sum + column.unseen, 0);
    const queries = columns.map((column) => column.query).join(' · ');
    document.title = `${unseen > 0 ? `(${unseen}) ` : ''}${queries ? `${queries} – ` : ''}perch`;
  };
}

/** @param {Column} column @returns {Place} */
const placeOf = (column) => ({ query: column.query, order: column.order.value });
