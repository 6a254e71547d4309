// The connection to perch: one WebSocket for all columns, opened again when it is lost, so that no
// tweet is missing and none comes twice.
//
//   subscribe ──> cmd/percolate ──> percolate/ok, watermark ──> tweet/new…
//   (after a loss: cmd/percolate again, with since and epoch)
//
// Every subscription remembers the last position it was sent. After a loss it asks for what came
// after that, from the index; a position that the server can't continue from ends in `onrestart`,
// and the subscription starts anew.
//
// Knows nothing of the page: the socket, the clock and chance come from outside.

/**
 * @typedef {'connecting' | 'open' | 'locked' | 'waiting' | 'closed'} State locked: the server asks
 *   for a token
 */

/**
 * @typedef {object} Status
 * @property {State} state
 * @property {number} attempt how many times in a row it could not be opened
 * @property {number} retryAt when it is tried again, by the clock given; 0 unless waiting
 * @property {string} reason what the server said when it closed, or asked for a token
 * @property {boolean} behind the server is feeding this client from the index
 */

/**
 * @typedef {object} Fault
 * @property {string} code
 * @property {string} message
 * @property {{column?: number, length?: number, field?: string, since?: number}} [at]
 */

/**
 * @typedef {object} Handlers
 * @property {(registration: {seq: number, queryId: string, resumed: boolean}) => void} onregistered
 * @property {(tweet: unknown, seq: number) => void} ontweet
 * @property {(id: string, seq: number) => void} ongone the tweet with this `id_str` is deleted, or
 *   does not match any more
 * @property {(seq: number) => void} onwithheld tweets up to here were too many to be sent
 * @property {(fault: Fault) => void} onerror the query is wrong, or a limit is reached
 * @property {() => void} onrestart what was shown can't be continued: forget it; a new registration
 *   follows
 */

/**
 * @typedef {object} Socket
 * @property {((event: any) => void) | null} onopen
 * @property {((event: {data: any}) => void) | null} onmessage
 * @property {((event: {code: number, reason: string}) => void) | null} onclose
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 */

/**
 * @typedef {object} Clock
 * @property {() => number} now in milliseconds
 * @property {(run: () => void, ms: number) => any} set
 * @property {(timer: any) => void} clear
 */

/**
 * @typedef {{name: string, query: unknown, handlers: Handlers, since: number | null, epoch: string
 *   | null, asked: string | null}} Subscription
 */

/** The first wait after a loss, about; it doubles with each attempt. */
export const FIRST_WAIT_MS = 500;
/** The longest wait. */
export const LONGEST_WAIT_MS = 30_000;
/**
 * The server sends counts every two seconds: after so long a silence it is asked, after twice as
 * long it is given up.
 */
export const SILENCE_MS = 10_000;
/** What a command fails with when the connection is lost before its answer. */
export const LOST = 'connection_lost';
/** Commands that count as searches. */
const SEARCHES = new Set(['cmd/query', 'cmd/missing', 'cmd/aggregate', 'cmd/analyze', 'stats/total-tweet-count']);
/**
 * What a command fails with that needs a token, and how the session of one that is no good any more
 * is closed.
 */
const UNAUTHORIZED = 'unauthorized';
const UNAUTHORIZED_CODE = 4001;
/** Coming back makes no sense: this client speaks another protocol. */
const FINAL_CODES = new Set([4003, 4004]);

/** @type {Clock} */
const SYSTEM_CLOCK = { now: () => Date.now(), set: (run, ms) => setTimeout(run, ms), clear: (timer) => clearTimeout(timer) };

export class Connection {
  /** @type {Status} */
  status = { state: 'closed', attempt: 0, retryAt: 0, reason: '', behind: false };
  /**
   * From `hello`.
   * @type {{uid: string, version: string, epoch: string, seq: number, limits: Record<string,
   *   number>} | null}
   */
  hello = null;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /**
   * Searches that run on the server, and those that wait for one to end: more at one time are
   * refused.
   */
  #searches = 0;
  /** @type {{frame: unknown[], ref: string}[]} */
  #queue = [];
  /** @type {Set<string>} */
  #searchRefs = new Set();
  /**
   * Commands that wait for their answer.
   * @type {Map<string, {resolve: (payload: any) => void, reject: (fault: Fault) => void}>}
   */
  #pending = new Map();
  #nextRef = 1;
  /** @type {any} */
  #retryTimer = null;
  /** @type {any} */
  #silenceTimer = null;
  #lastHeard = 0;
  #token;
  /** The mark of the `cmd/auth` that is under way. */
  #authRef = '';
  /** @type {(() => void)[]} */
  #waiters = [];

  /**
   * @param {object} options
   * @param {() => Socket} options.open
   * @param {(status: Status) => void} [options.onstatus]
   * @param {(event: string, payload: any) => void} [options.onevent] counts and whatever else is
   *   pushed
   * @param {string} [options.token] empty for none
   * @param {Clock} [options.clock]
   * @param {() => number} [options.random] from 0 to 1
   */
  constructor({ open, onstatus = () => {}, onevent = () => {}, token = '', clock = SYSTEM_CLOCK, random = Math.random }) {
    this.open = open;
    this.onstatus = onstatus;
    this.onevent = onevent;
    this.#token = token;
    this.clock = clock;
    this.random = random;
  }

  /** Opens it, now: also ends a wait. */
  connect() {
    if (this.#socket) return;
    this.clock.clear(this.#retryTimer);
    this.#set({ state: 'connecting', retryAt: 0 });
    const socket = this.open();
    this.#socket = socket;
    this.#listen();
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket === socket) this.#lose(code, reason);
    };
  }

  /** Goes on with a token. @param {string} token */
  authorize(token) {
    this.#token = token;
    if (this.status.state !== 'locked') return;
    if (this.#socket) this.#authenticate();
    else this.connect();
  }

  /** Leaves out what is still to come from before, and goes on with what comes from now on. */
  skip() {
    for (const subscription of this.#subscriptions.values()) this.#restart(subscription);
    if (!this.#socket) return;
    this.#lose(0, '');
    this.connect();
  }

  /** Closes it for good. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    this.clock.clear(this.#retryTimer);
    this.clock.clear(this.#silenceTimer);
    this.#fail();
    this.#set({ state: 'closed', retryAt: 0, behind: false });
    socket?.close(1000);
  }

  /**
   * Registers a query under a name of its own.
   *
   * @param {string} name
   * @param {unknown} query
   * @param {Handlers} handlers
   */
  subscribe(name, query, handlers) {
    const subscription = { name, query, handlers, since: null, epoch: null, asked: null };
    this.#subscriptions.set(name, subscription);
    if (this.status.state === 'open') this.#register(subscription);
  }

  /** @param {string} name */
  unsubscribe(name) {
    if (this.#subscriptions.delete(name) && this.status.state === 'open') this.#send(['cmd/unpercolate', { name }]);
  }

  /**
   * Sends a command.
   *
   * @param {string} event
   * @param {unknown} payload
   * @returns {Promise<any>} the payload of its answer; fails with a {@link Fault},
   *   `connection_lost` among them
   */
  request(event, payload) {
    if (this.status.state !== 'open') return Promise.reject({ code: LOST, message: 'not connected' });
    return new Promise((resolve, reject) => {
      const ref = String(this.#nextRef++);
      this.#pending.set(ref, { resolve, reject });
      if (!SEARCHES.has(event)) {
        this.#send([event, payload, ref]);
        return;
      }
      this.#searchRefs.add(ref);
      this.#queue.push({ frame: [event, payload, ref], ref });
      this.#pump();
    });
  }

  /** Asks for what is else pushed now and then. @param {string} event */
  #ask(event) {
    this.request(event, {}).then(
      (payload) => this.onevent(event, payload),
      () => {},
    );
  }

  /** Sends the searches that may run now. */
  #pump() {
    const most = this.hello?.limits?.searches ?? 1;
    while (this.#searches < most) {
      const next = this.#queue.shift();
      if (!next) return;
      this.#searches++;
      this.#send(next.frame);
    }
  }

  /** @param {string} ref of a command that was answered */
  #answered(ref) {
    if (!this.#searchRefs.delete(ref)) return;
    this.#searches--;
    this.#pump();
  }

  /** @returns {Promise<void>} when it is open, at once if it is */
  whenOpen() {
    if (this.status.state === 'open') return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** @param {Partial<Status>} change */
  #set(change) {
    this.status = { ...this.status, ...change };
    this.onstatus(this.status);
  }

  /** @param {unknown[]} frame */
  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** @param {Subscription} subscription */
  #register(subscription) {
    const { name, query, since, epoch } = subscription;
    const resume = since === null ? {} : { since, epoch };
    // The answer is taken in #receive, in the order of the frames: a promise would run after tweets
    // that come in the same task.
    const ref = `s${this.#nextRef++}`;
    subscription.asked = ref;
    this.#send(['cmd/percolate', { query, name, ...resume }, ref]);
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#lastHeard = this.clock.now();
    /** @type {unknown} */
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return;
    }
    if (!Array.isArray(frame) || typeof frame[0] !== 'string') return;
    const [event, payload, ref] = frame;
    if (event === 'cmd/error' && payload?.code === UNAUTHORIZED) this.#lock(String(payload.message ?? ''));
    else if (ref === this.#authRef && ref) this.#begin();
    else if (typeof ref === 'string' && ref.startsWith('s')) this.#registered(event, payload, ref);
    else if (typeof ref === 'string' && this.#pending.has(ref)) {
      const waiting = this.#pending.get(ref);
      this.#pending.delete(ref);
      this.#answered(ref);
      if (event === 'cmd/error') waiting?.reject(payload);
      else waiting?.resolve(payload);
    } else if (event === 'tweet/new') this.#tweet(payload, (handlers, seq) => handlers.ontweet(payload.tweet, seq));
    else if (event === 'tweet/gone') this.#tweet(payload, (handlers, seq) => handlers.ongone(String(payload.id_str), seq));
    else if (event === 'hello') this.#greet(payload);
    else if (event === 'stream/catching-up') this.#set({ behind: true });
    else if (event === 'stream/live') {
      for (const subscription of this.#subscriptions.values()) {
        // One that is not registered on this connection yet is still owed what came before.
        if (subscription.since !== null && subscription.asked === null) subscription.since = Math.max(subscription.since, Number(payload?.seq) || 0);
      }
      this.#set({ behind: false });
    } else if (event === 'stream/limited') this.#withheld(payload);
    else this.onevent(event, payload);
  }

  /** @param {any} payload */
  #withheld(payload) {
    const seq = Number(payload?.seq) || 0;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.since === null || subscription.asked !== null || seq <= subscription.since) continue;
      subscription.since = seq;
      subscription.handlers.onwithheld(seq);
    }
    this.onevent('stream/limited', payload);
  }

  /** @param {any} hello */
  #greet(hello) {
    this.hello = hello;
    if (this.#token) this.#authenticate();
    else this.#begin();
  }

  #authenticate() {
    this.#authRef = `a${this.#nextRef++}`;
    this.#send(['cmd/auth', { token: this.#token }, this.#authRef]);
  }

  /** Nothing goes on without a token. @param {string} reason */
  #lock(reason) {
    // Each command that was refused says so; one time is enough.
    if (this.status.state === 'locked' && !this.#authRef) return;
    this.#authRef = '';
    this.#token = '';
    for (const subscription of this.#subscriptions.values()) subscription.asked = null;
    this.#fail();
    this.#set({ state: 'locked', attempt: 0, retryAt: 0, reason, behind: false });
  }

  /** Registers what is subscribed to. */
  #begin() {
    this.#authRef = '';
    const hello = this.hello;
    this.#set({ state: 'open', attempt: 0, retryAt: 0, reason: '', behind: false });
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.since !== null && subscription.epoch !== hello?.epoch) this.#restart(subscription);
      this.#register(subscription);
    }
    // Pushed every few seconds; nobody should wait for the first.
    this.#ask('stats/users-count');
    this.#ask('stats/total-tweet-count');
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  /** @param {string} event @param {any} payload @param {string} ref */
  #registered(event, payload, ref) {
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.asked !== ref) continue;
      subscription.asked = null;
      if (event === 'percolate/ok') {
        const resumed = subscription.since !== null;
        // Until everything after `since` has come, the position stays where it was.
        if (!resumed) subscription.since = payload.seq;
        subscription.epoch = this.hello?.epoch ?? null;
        subscription.handlers.onregistered({ seq: payload.seq, queryId: payload.query_id, resumed });
      } else if (payload?.code === 'unrecoverable' && subscription.since !== null) {
        this.#restart(subscription);
        this.#register(subscription);
      } else subscription.handlers.onerror(payload);
    }
  }

  /** @param {Subscription} subscription */
  #restart(subscription) {
    subscription.since = null;
    subscription.epoch = null;
    subscription.handlers.onrestart();
  }

  /** @param {any} payload @param {(handlers: Handlers, seq: number) => void} report */
  #tweet(payload, report) {
    const seq = Number(payload?.seq);
    for (const name of Array.isArray(payload?.matches) ? payload.matches : []) {
      const subscription = this.#subscriptions.get(name);
      // Positions rise: one that was passed was shown already.
      if (!subscription || subscription.since === null || seq <= subscription.since) continue;
      subscription.since = seq;
      report(subscription.handlers, seq);
    }
  }

  #listen() {
    this.clock.clear(this.#silenceTimer);
    this.#lastHeard = this.clock.now();
    let asked = false;
    const check = () => {
      const silence = this.clock.now() - this.#lastHeard;
      if (silence < SILENCE_MS) asked = false;
      else if (asked || (this.status.state !== 'open' && this.status.state !== 'locked')) return this.#lose(0, '');
      else {
        asked = true;
        this.#send(['cmd/ping', {}]);
      }
      this.#silenceTimer = this.clock.set(check, SILENCE_MS);
    };
    this.#silenceTimer = this.clock.set(check, SILENCE_MS);
  }

  /** @param {number} code @param {string} reason */
  #lose(code, reason) {
    const socket = this.#socket;
    this.#socket = null;
    this.clock.clear(this.#silenceTimer);
    for (const subscription of this.#subscriptions.values()) subscription.asked = null;
    this.#fail();
    socket?.close();
    if (code === UNAUTHORIZED_CODE) {
      this.#lock(reason);
      return;
    }
    if (FINAL_CODES.has(code)) {
      this.#set({ state: 'closed', reason, behind: false });
      return;
    }
    const attempt = this.status.attempt + 1;
    const wait = waitOf(attempt, this.random());
    this.#retryTimer = this.clock.set(() => this.connect(), wait);
    this.#set({ state: 'waiting', attempt, retryAt: this.clock.now() + wait, reason, behind: false });
  }

  #fail() {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#queue = [];
    this.#searchRefs.clear();
    this.#searches = 0;
    for (const { reject } of pending) reject({ code: LOST, message: 'the connection was lost' });
  }
}

/**
 * How long to wait before an attempt: twice as long each time, and between half and all of that by
 * chance, so that the clients of a
 * server that was restarted don't come back all at once.
 *
 * @param {number} attempt from 1
 * @param {number} chance from 0 to 1
 */
export function waitOf(attempt, chance) {
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
  return Math.round(most * (0.5 + chance / 2));
}
