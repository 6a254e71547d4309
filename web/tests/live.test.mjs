// The state of a live search: the connection and what a column holds, with a made-up server and a
// clock that stands.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Column } from '../lib/column.js';
import { Connection, FIRST_WAIT_MS, LONGEST_WAIT_MS, SILENCE_MS, waitOf } from '../lib/connection.js';
import { Feed, ORDERS } from '../lib/feed.js';
import { readTweet } from '../lib/tweet.js';
import { chance, tweet } from './support.mjs';

/** @param {number} n @param {any} [more] */
const made = (n, more) => /** @type {import('../lib/tweet.js').Tweet} */ (readTweet(tweet(n, more)));

/** A clock that only goes when told to. */
function standing() {
  let now = 1_000_000;
  /** @type {Map<number, {at: number, run: () => void}>} */
  const timers = new Map();
  let next = 1;
  return {
    now: () => now,
    set: (/** @type {() => void} */ run, /** @type {number} */ ms) => {
      timers.set(next, { at: now + ms, run });
      return next++;
    },
    clear: (/** @type {number} */ timer) => timers.delete(timer),
    /** @param {number} ms */
    go(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        now = due[1].at;
        timers.delete(due[0]);
        due[1].run();
      }
      now = end;
    },
  };
}

/**
 * A connection to a server that the test plays.
 *
 * @param {() => number} [random]
 * @param {string} [token]
 */
function setUp(random = () => 1, token = '') {
  const clock = standing();
  /** @type {any[]} */
  const sockets = [];
  /** @type {[string, any][]} */
  const events = [];
  const connection = new Connection({
    clock,
    random,
    token,
    onevent: (event, payload) => events.push([event, payload]),
    open: () => {
      const socket = {
        onopen: null,
        onmessage: /** @type {any} */ (null),
        onclose: /** @type {any} */ (null),
        sent: /** @type {any[]} */ ([]),
        isClosed: false,
        send: (/** @type {string} */ text) => socket.sent.push(JSON.parse(text)),
        close: () => (socket.isClosed = true),
        says: (/** @type {unknown[]} */ ...frame) => socket.onmessage({ data: JSON.stringify(frame) }),
        dies: (code = 1006, reason = '') => socket.onclose({ code, reason }),
        hello: (epoch = 'e1', seq = 0, isOpen = true) => {
          socket.says('hello', { uid: 'u', version: '1', epoch, seq, limits: { page: 1000, searches: 2 } });
          // The counts are asked for at once.
          if (isOpen) for (const event of ['stats/users-count', 'stats/total-tweet-count']) socket.says(event, 1, socket.take(event)[2]);
        },
        /** Takes the oldest command of that kind that was sent. */
        take: (/** @type {string} */ event) => {
          const at = socket.sent.findIndex((/** @type {any[]} */ frame) => frame[0] === event);
          return at < 0 ? undefined : socket.sent.splice(at, 1)[0];
        },
      };
      sockets.push(socket);
      return socket;
    },
  });
  /** @type {any[]} */
  const log = [];
  const handlers = {
    onregistered: (/** @type {any} */ registration) => log.push(['registered', registration.seq, registration.resumed]),
    ontweet: (/** @type {any} */ tweet, /** @type {number} */ seq) => log.push(['tweet', tweet.id_str, seq]),
    onerror: (/** @type {any} */ fault) => log.push(['error', fault.code]),
    ongone: (/** @type {string} */ id, /** @type {number} */ seq) => log.push(['gone', id, seq]),
    onwithheld: (/** @type {number} */ seq) => log.push(['withheld', seq]),
    onrestart: () => log.push(['restart']),
  };
  return { clock, sockets, events, connection, log, handlers, socket: () => sockets[sockets.length - 1] };
}

/** Lets what waits for promises run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('tweets that are shown early count once, by history or by a push, and are gone when neither has them', () => {
  const feed = new Feed({ retweets: 'fold' });
  feed.preview([made(1), made(2), made(3, { retweeted_status: tweet(1) }), made(4)]);
  const ids = () => feed.view().map(({ tweet }) => tweet.text);
  assert.deepEqual([ids().length, feed.total, feed.pushed, feed.loaded], [3, null, 0, 0]);
  // The last one came after the registration after all.
  assert.equal(feed.push(made(4, { text: 'pushed' })), true);
  assert.deepEqual([feed.pushed, ids()[0]], [1, 'pushed']);
  feed.historyTotal = 2;
  assert.equal(feed.add([made(1), made(3, { retweeted_status: tweet(1) })]), 2);
  assert.deepEqual([feed.total, feed.loaded, ids()], [3, 2, ['pushed', 'tweet number 3']]);
  assert.equal(feed.view()[1]?.seen, 1);
  // History is here: nothing is early any more.
  feed.preview([made(9)]);
  assert.equal(feed.size, 3);
});

test('a tweet that was shown early stays in place when it is pushed while somebody points at it', () => {
  const feed = new Feed();
  feed.preview([made(1), made(2)]);
  feed.pause();
  feed.push(made(2));
  feed.push(made(3));
  assert.deepEqual([feed.view().map(({ tweet }) => tweet.text), feed.waitingCount, feed.pushed], [['tweet number 2', 'tweet number 1'], 1, 2]);
  feed.remove(made(1).id);
  feed.historyTotal = 0;
  feed.add([]);
  assert.deepEqual(feed.view().map(({ tweet }) => tweet.text), ['tweet number 2']);
});

test('a subscription is registered, and again with its position after a loss', () => {
  const { connection, socket, sockets, clock, log, handlers } = setUp();
  connection.subscribe('a', 'rust', handlers);
  connection.connect();
  assert.equal(connection.status.state, 'connecting');
  socket().hello();
  const [, payload, ref] = socket().take('cmd/percolate');
  assert.deepEqual(payload, { query: 'rust', name: 'a' });
  socket().says('percolate/ok', { name: 'a', query_id: 'q', seq: 5 }, ref);
  socket().says('tweet/new', { tweet: { id_str: '9' }, seq: 7, matches: ['a', 'other'] });
  assert.deepEqual(log, [
    ['registered', 5, false],
    ['tweet', '9', 7],
  ]);
  socket().dies();
  assert.equal(connection.status.state, 'waiting');
  clock.go(FIRST_WAIT_MS);
  assert.equal(sockets.length, 2);
  socket().hello();
  const [, again, ref2] = socket().take('cmd/percolate');
  assert.deepEqual(again, { query: 'rust', name: 'a', since: 7, epoch: 'e1' });
  socket().says('percolate/ok', { name: 'a', query_id: 'q', seq: 12 }, ref2);
  // What it missed comes before anything new, and what it had does not count again.
  for (const [id, seq] of [['9', 7], ['10', 9], ['11', 13]]) socket().says('tweet/new', { tweet: { id_str: id }, seq, matches: ['a'] });
  assert.deepEqual(log.slice(2), [
    ['registered', 12, true],
    ['tweet', '10', 9],
    ['tweet', '11', 13],
  ]);
});

test('the position does not pass what was missed', () => {
  const { connection, socket, clock, handlers } = setUp();
  connection.subscribe('a', 'rust', handlers);
  connection.connect();
  socket().hello();
  socket().says('percolate/ok', { seq: 5 }, socket().take('cmd/percolate')[2]);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  socket().says('percolate/ok', { seq: 50 }, socket().take('cmd/percolate')[2]);
  // Lost again before anything came: 6 to 50 are still owed.
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  assert.equal(socket().take('cmd/percolate')[1].since, 5);
});

test('a tweet that is gone is reported once, to the searches that it left', () => {
  const { connection, socket, clock, log, handlers } = setUp();
  connection.subscribe('a', 'rust', handlers);
  connection.connect();
  socket().hello();
  socket().says('percolate/ok', { name: 'a', query_id: 'q', seq: 5 }, socket().take('cmd/percolate')[2]);
  log.length = 0;
  socket().says('tweet/gone', { id_str: '9', seq: 5, reason: 'deleted', matches: ['a'] });
  socket().says('tweet/gone', { id_str: '9', seq: 6, reason: 'deleted', matches: ['other'] });
  socket().says('tweet/gone', { id_str: '8', seq: 7, reason: 'changed', matches: ['other', 'a'] });
  assert.deepEqual(log, [['gone', '8', 7]]);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  assert.equal(socket().take('cmd/percolate')[1].since, 7);
});

test('live again: everything up to there was sent', () => {
  const { connection, socket, clock, handlers } = setUp();
  connection.subscribe('a', 'rust', handlers);
  connection.connect();
  socket().hello();
  socket().says('percolate/ok', { seq: 5 }, socket().take('cmd/percolate')[2]);
  socket().says('stream/catching-up', { from_seq: 5 });
  assert.ok(connection.status.behind);
  socket().says('stream/live', { seq: 40 });
  assert.ok(!connection.status.behind);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  assert.equal(socket().take('cmd/percolate')[1].since, 40);
});

test('another epoch, and a position that can not be had, start anew', () => {
  const { connection, socket, clock, log, handlers } = setUp();
  connection.subscribe('a', 'rust', handlers);
  connection.connect();
  socket().hello('e1');
  socket().says('percolate/ok', { seq: 5 }, socket().take('cmd/percolate')[2]);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello('e2');
  assert.equal(socket().take('cmd/percolate')[1].since, undefined);
  assert.deepEqual(log.slice(1), [['restart']]);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello('e2');
  socket().says('percolate/ok', { seq: 9 }, socket().take('cmd/percolate')[2]);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello('e2');
  socket().says('cmd/error', { code: 'unrecoverable', message: '' }, socket().take('cmd/percolate')[2]);
  assert.equal(socket().take('cmd/percolate')[1].since, undefined);
  assert.deepEqual(log.slice(2), [['registered', 9, false], ['restart']]);
});

test('a wrong query is an error, not a loss', () => {
  const { connection, socket, log, handlers } = setUp();
  connection.connect();
  socket().hello();
  connection.subscribe('a', '(', handlers);
  socket().says('cmd/error', { code: 'bad_query', message: 'no' }, socket().take('cmd/percolate')[2]);
  assert.deepEqual(log, [['error', 'bad_query']]);
  connection.unsubscribe('a');
  assert.deepEqual(socket().take('cmd/unpercolate')[1], { name: 'a' });
});

test('waits double up to a limit, and chance keeps clients apart', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 20].map((attempt) => waitOf(attempt, 1)),
    [500, 1000, 2000, 4000, LONGEST_WAIT_MS],
  );
  assert.equal(waitOf(1, 0), 250);
  const { connection, socket, sockets, clock } = setUp();
  connection.connect();
  for (let attempt = 1; attempt <= 3; attempt++) {
    socket().dies();
    assert.equal(connection.status.attempt, attempt);
    clock.go(waitOf(attempt, 1) - 1);
    assert.equal(sockets.length, attempt);
    clock.go(1);
    assert.equal(sockets.length, attempt + 1);
  }
  socket().hello();
  assert.equal(connection.status.attempt, 0);
});

test('a wait can be ended by hand', () => {
  const { connection, socket, sockets, clock } = setUp();
  connection.connect();
  socket().dies();
  connection.connect();
  assert.equal(sockets.length, 2);
  clock.go(SILENCE_MS - 1);
  assert.equal(sockets.length, 2, 'the old timer opens no other');
});

test('a silent connection is asked, then given up', () => {
  const { connection, socket, sockets, clock } = setUp();
  connection.connect();
  socket().hello();
  clock.go(SILENCE_MS);
  assert.deepEqual(socket().take('cmd/ping'), ['cmd/ping', {}]);
  socket().says('pong', {});
  clock.go(SILENCE_MS - 1);
  assert.equal(connection.status.state, 'open');
  clock.go(3 * SILENCE_MS);
  assert.ok(sockets[0].isClosed);
  assert.ok(sockets.length > 1);
});

test('commands are answered by their mark, and fail with the connection', async () => {
  const { connection, socket } = setUp();
  await assert.rejects(connection.request('cmd/query', {}), { code: 'connection_lost' });
  connection.connect();
  socket().hello();
  const [first, second, third] = ['a', 'b', 'c'].map((query) => connection.request('cmd/query', { query }));
  const [one, two] = [socket().take('cmd/query'), socket().take('cmd/query')];
  socket().says('tweet/prev-chunk', 'second', two[2]);
  socket().says('cmd/error', { code: 'bad_query', message: '' }, one[2]);
  assert.equal(await second, 'second');
  await assert.rejects(/** @type {Promise<any>} */ (first), { code: 'bad_query' });
  socket().dies();
  await assert.rejects(/** @type {Promise<any>} */ (third), { code: 'connection_lost' });
});

test('no more searches run at one time than may', async () => {
  const { connection, socket, clock } = setUp();
  connection.connect();
  socket().hello();
  const answers = ['a', 'b', 'c', 'd'].map((query) => connection.request('cmd/query', { query }));
  const sent = () => socket().sent.filter((/** @type {any[]} */ frame) => frame[0] === 'cmd/query').map((/** @type {any[]} */ frame) => frame[1].query);
  assert.deepEqual(sent(), ['a', 'b']);
  socket().says('cmd/error', { code: 'unavailable', message: '' }, socket().take('cmd/query')[2]);
  assert.deepEqual(sent(), ['b', 'c']);
  await assert.rejects(/** @type {Promise<any>} */ (answers[0]), { code: 'unavailable' });
  const lost = answers.slice(1).map((answer) => assert.rejects(answer, { code: 'connection_lost' }));
  socket().dies();
  await Promise.all(lost);
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  assert.deepEqual(sent(), [], 'what failed is not sent later');
  void connection.request('cmd/query', { query: 'e' });
  assert.deepEqual(sent(), ['e']);
});

test('a subscription that is not registered again yet is still owed what came before', () => {
  const { connection, socket, clock, log, handlers } = setUp();
  connection.subscribe('a', 'x', handlers);
  connection.subscribe('b', 'y', handlers);
  connection.connect();
  socket().hello();
  for (let n = 0; n < 2; n++) socket().says('percolate/ok', { seq: 5 }, socket().take('cmd/percolate')[2]);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  socket().says('percolate/ok', { seq: 40 }, socket().take('cmd/percolate')[2]);
  socket().says('stream/live', { seq: 40 });
  socket().says('percolate/ok', { seq: 40 }, socket().take('cmd/percolate')[2]);
  socket().says('tweet/new', { tweet: { id_str: '1' }, seq: 10, matches: ['b'] });
  assert.deepEqual(log.at(-1), ['tweet', '1', 10]);
});

test('a server that does not want this client is left alone', () => {
  const { connection, socket, sockets, clock } = setUp();
  connection.connect();
  socket().dies(4003, 'who are you');
  clock.go(10 * LONGEST_WAIT_MS);
  assert.equal(sockets.length, 1);
  assert.deepEqual([connection.status.state, connection.status.reason], ['closed', 'who are you']);
});

test('frames that are no frames are passed over', () => {
  const { connection, socket, events, log, handlers } = setUp();
  connection.subscribe('a', 'x', handlers);
  connection.connect();
  for (const data of ['', '{', '5', '[]', '[5]', '{"a":1}', '["tweet/new"]', '["tweet/new",{"matches":5}]', '["stream/live"]']) socket().onmessage({ data });
  socket().says('stats/users-count', 3);
  assert.deepEqual(events, [['stats/users-count', 3]]);
  assert.deepEqual(log, []);
});

/** @param {Feed} feed */
const ids = (feed) => feed.view().map((item) => Number((BigInt(item.id) - 1_800_000_000_000_000_001n) / 4096n));

test('a feed is newest first, each tweet once, whatever comes when', () => {
  const random = chance(7);
  for (let round = 0; round < 30; round++) {
    const feed = new Feed({ cap: 1000 });
    const all = new Set();
    for (let n = 0; n < 200; n++) {
      const at = Math.floor(random() * 120);
      all.add(at);
      if (random() < 0.4) feed.add([made(at)]);
      else feed.push(made(at));
      if (random() < 0.05) feed.isPaused ? feed.resume() : feed.pause();
    }
    feed.resume();
    assert.deepEqual(ids(feed), [...all].sort((a, b) => b - a));
    assert.equal(feed.pushed + feed.loaded, all.size);
  }
});

test('a full feed lets the oldest go, and counts stay', () => {
  const feed = new Feed({ cap: 10 });
  feed.historyTotal = 4;
  feed.add([3, 2, 1, 0].map((n) => made(n)));
  for (let n = 4; n < 30; n++) feed.push(made(n));
  assert.equal(feed.size, 10);
  assert.deepEqual(ids(feed).at(-1), 20);
  assert.equal(feed.total, 30);
  // One that is gone and comes again is no new one, and does not come back out of its place.
  assert.equal(feed.push(made(5)), false);
  assert.equal(feed.total, 30);
  assert.equal(feed.size, 10);
  assert.equal(feed.room, 0);
  feed.cap = 5;
  assert.equal(feed.size, 5);
});

test('a newer version of a tweet takes its place', () => {
  const feed = new Feed();
  feed.push(made(1, { text: 'old' }));
  assert.equal(feed.push(made(1, { text: 'new' })), false);
  assert.deepEqual(
    feed.view().map((item) => item.tweet.text),
    ['new'],
  );
  assert.equal(feed.pushed, 1);
});

test('a newer version with another time takes its own place', () => {
  const feed = new Feed();
  const post = (/** @type {string} */ name, /** @type {number} */ n) => made(n, { id_str: `at://${name}` });
  for (const [name, n] of /** @type {const} */ ([['a', 1], ['b', 2], ['c', 3]])) feed.push(post(name, n));
  feed.push(post('a', 4));
  assert.deepEqual(feed.view().map((item) => item.id), ['at://a', 'at://c', 'at://b']);
});

test('a tweet that is gone leaves every order, and no page of history brings it back', () => {
  for (const order of ORDERS) {
    for (const isPaused of [false, true]) {
      const feed = new Feed({ order });
      feed.add([made(2), made(1)]);
      feed.push(made(3, { retweeted_status: tweet(2), user: { followers_count: 5 } }));
      if (isPaused) feed.pause();
      feed.push(made(4));
      for (const n of [2, 4]) feed.remove(made(n).id);
      assert.equal(feed.waitingCount, 0);
      assert.ok(feed.view().every((item) => ![made(2).id, made(4).id].includes(item.tweet.id)), order);
      assert.equal(feed.add([made(2), made(1), made(0)]), 1);
      feed.resume();
      assert.deepEqual(feed.tweets.map((tweet) => tweet.id), [3, 1, 0].map((n) => made(n).id));
      // A tweet that matches again is a new one.
      assert.equal(feed.push(made(4)), true);
      assert.equal(feed.size, 4);
    }
  }
});

test('a retweet that is gone counts no more', () => {
  const feed = new Feed({ order: 'seen' });
  feed.push(made(1));
  const retweet = (/** @type {number} */ n, /** @type {number} */ followers) => made(n, { retweeted_status: tweet(1), user: { followers_count: followers } });
  feed.push(retweet(2, 7));
  feed.push(retweet(3, 9));
  feed.remove(made(3).id);
  const seen = () => feed.view().map(({ seen, reach }) => ({ seen, reach }));
  assert.deepEqual(seen(), [{ seen: 1, reach: 17 }]);
  feed.remove(made(2).id);
  feed.remove(made(1).id);
  assert.deepEqual(seen(), []);
});

test('while paused nothing moves; what comes is counted and brought in', () => {
  for (const order of ORDERS) {
    const feed = new Feed({ cap: 50, order });
    for (let n = 0; n < 10; n++) feed.push(made(n, { user: { followers_count: n * 7 } }));
    const before = ids(feed);
    feed.pause();
    for (let n = 10; n < 47; n++) feed.push(made(n, { user: { followers_count: 1000 + n } }));
    feed.push(made(12));
    assert.deepEqual(ids(feed), before, order);
    assert.equal(feed.waitingCount, 37);
    assert.equal(feed.pushed, 47);
    feed.resume();
    assert.equal(feed.waitingCount, 0);
    assert.equal(feed.viewSize, 47);
  }
});

test('what waits is bounded, its count is not', () => {
  const feed = new Feed({ cap: 10 });
  feed.pause();
  for (let n = 0; n < 100; n++) feed.push(made(n));
  assert.equal(feed.waitingCount, 100);
  feed.resume();
  assert.deepEqual(ids(feed), [99, 98, 97, 96, 95, 94, 93, 92, 91, 90]);
  assert.equal(feed.pushed, 100);
});

test('history that comes while paused is put below', () => {
  const feed = new Feed();
  feed.push(made(10));
  feed.pause();
  feed.push(made(11));
  feed.add([made(9), made(8)]);
  assert.deepEqual(ids(feed), [10, 9, 8]);
  feed.resume();
  assert.deepEqual(ids(feed), [11, 10, 9, 8]);
});

test('orders put first what has most', () => {
  const original = (/** @type {number} */ n, /** @type {any} */ more) => ({ ...tweet(n, more) });
  const a = original(0, { retweet_count: 5, favorite_count: 9, user: { followers_count: 3 } });
  const b = original(1, { retweet_count: 2, favorite_count: 50, user: { followers_count: 4 } });
  const feed = new Feed();
  feed.push(made(0, { ...a, user: { followers_count: 3 } }));
  feed.push(made(1, { ...b, user: { followers_count: 4 } }));
  feed.push(made(2, { user: { followers_count: 100 }, retweeted_status: a }));
  feed.push(made(3, { user: { followers_count: 10 }, retweeted_status: b, retweet_count: 7 }));
  feed.push(made(4, { user: { followers_count: 20 }, retweeted_status: b }));
  /** @param {import('../lib/feed.js').Order} order */
  const by = (order) => {
    feed.order = order;
    return ids(feed);
  };
  assert.deepEqual(by('latest'), [4, 3, 2, 1, 0]);
  assert.deepEqual(by('followers'), [2, 4, 3, 1, 0]);
  assert.deepEqual(by('retweets'), [1, 0]);
  assert.deepEqual(by('seen'), [1, 0]);
  assert.deepEqual(by('reach'), [0, 1]);
  assert.deepEqual(by('favorites'), [1, 0]);
  assert.deepEqual(
    feed.view().map((item) => [item.seen, item.reach]),
    [
      [2, 34],
      [1, 103],
    ],
  );
});

test('an original that is not here is asked for once, and shown when found', () => {
  const feed = new Feed();
  const id = tweet(0).id_str;
  feed.push(made(5, { retweeted_status: { id_str: id } }));
  feed.push(made(6, { retweeted_status: { id_str: id } }));
  feed.push(made(7, { retweeted_status: tweet(1) }));
  assert.deepEqual(
    feed.missing(50, () => false),
    [id],
  );
  assert.deepEqual(
    feed.missing(50, () => true),
    [],
  );
  const retweet = feed.view()[1]?.tweet;
  assert.ok(retweet);
  assert.equal(feed.originalOf(retweet), null);
  feed.found(made(0, { text: 'found' }));
  assert.equal(feed.originalOf(retweet)?.text, 'found');
  assert.deepEqual(
    feed.missing(50, () => false),
    [],
  );
  feed.found(made(99));
});

test('a tweet and its retweets are one, and retweets can be hidden', () => {
  const feed = new Feed({ retweets: 'fold' });
  const of = (/** @type {number} */ n) => made(n, { text: `RT @ann: tweet number 1`, retweeted_status: tweet(1) });
  feed.add([made(1), made(2)]);
  for (const n of [3, 4, 5]) feed.push(of(n));
  assert.deepEqual(ids(feed), [5, 2]);
  assert.equal(feed.viewSize, 2);
  assert.equal(feed.view()[0]?.seen, 3);
  feed.retweets = 'each';
  assert.deepEqual(ids(feed), [5, 4, 3, 2, 1]);
  feed.retweets = 'hide';
  assert.deepEqual(ids(feed), [2, 1]);
  feed.retweets = 'fold';
  // The newest is gone: the one before it is shown.
  feed.remove(of(5).id);
  assert.deepEqual(ids(feed), [4, 2]);
  // Standing still, nothing moves up.
  feed.pause();
  feed.push(of(6));
  assert.deepEqual(ids(feed), [4, 2]);
  feed.resume();
  assert.deepEqual(ids(feed), [6, 2]);
});

/** A column on a played server that holds `n` tweets. @param {number} n @param {any} [options] */
function opened(n, options) {
  const played = setUp();
  const { connection, socket } = played;
  const column = new Column({ name: 'a', query: 'rust', connection, frame: (run) => run(), ...options });
  connection.connect();
  socket().hello();
  column.start();
  const all = Array.from({ length: n }, (_, at) => tweet(at)).reverse();
  socket().says('percolate/ok', { name: 'a', query_id: 'q', seq: n }, socket().take('cmd/percolate')[2]);
  /**
   * Answers what history is about.
   *
   * @param {number} total
   * @param {{key: string, count: number}[]} [words]
   */
  const counted = async (total, words = []) => {
    for (let asked; (asked = socket().take('cmd/aggregate')); ) {
      const { by } = asked[1];
      const buckets = by === 'created_at' ? [{ key: 1_760_000_000_000, count: total }] : by === 'text' ? words : [];
      socket().says('aggregate/ok', { by, total, interval_ms: 1000, buckets }, asked[2]);
      await settle();
    }
  };
  /** Answers a page of history. */
  const answer = async () => {
    const [, payload, ref] = socket().take('cmd/query');
    assert.equal(payload.until_seq, n);
    const left = payload.before_id ? all.filter((tweet) => BigInt(tweet.id_str) < BigInt(payload.before_id)) : all;
    const result = left.slice(0, payload.n);
    socket().says('tweet/prev-chunk', { result, total: n, next: left.length > payload.n ? result.at(-1)?.id_str : null }, ref);
    await settle();
  };
  return { ...played, column, answer, counted };
}

test('history is loaded below the watermark, page by page, while tweets come', async () => {
  const { column, answer, socket } = opened(300);
  assert.equal(column.history.value, 'loading');
  await answer();
  assert.equal(column.feed.size, 40);
  socket().says('tweet/new', { tweet: tweet(300), seq: 301, matches: ['a'] });
  await answer();
  await answer();
  assert.equal(column.history.value, 'all');
  assert.deepEqual(
    ids(column.feed),
    Array.from({ length: 301 }, (_, at) => 300 - at),
  );
  assert.equal(column.feed.total, 301);
});

test('history stops when it is told to, and goes on from there', async () => {
  const { column, answer, socket } = opened(300);
  await answer();
  column.stop();
  await answer();
  assert.equal(column.history.value, 'stopped');
  assert.equal(column.feed.size, 40);
  const going = column.load(500);
  await answer();
  await answer();
  await going;
  assert.equal(column.history.value, 'all');
  assert.equal(column.feed.size, 300);
  assert.equal(socket().take('cmd/query'), undefined);
});

test('history ends where there is no room', async () => {
  const { column, answer } = opened(300, { settings: { cap: 100 } });
  await answer();
  await answer();
  assert.equal(column.history.value, 'full');
  assert.equal(column.feed.size, 100);
  assert.equal(column.feed.total, 300);
});

test('history goes on after the connection was lost', async () => {
  const { column, answer, socket, clock } = opened(300);
  await answer();
  socket().dies();
  await settle();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  await settle();
  socket().says('percolate/ok', { seq: 310 }, socket().take('cmd/percolate')[2]);
  await answer();
  await answer();
  assert.equal(column.history.value, 'all');
  assert.equal(column.feed.size, 300);
});

test('what is still to come from before can be skipped', () => {
  const { connection, handlers, log, socket } = setUp();
  connection.connect();
  socket().hello('e1', 3);
  connection.subscribe('a', 'rust', handlers);
  socket().says('percolate/ok', { seq: 3 }, socket().take('cmd/percolate')[2]);
  socket().says('stream/catching-up', { from_seq: 4 });
  socket().says('tweet/new', { tweet: tweet(4), seq: 4, matches: ['a'] });
  const before = socket();
  log.length = 0;
  connection.skip();
  assert.ok(before.isClosed);
  assert.notEqual(socket(), before);
  socket().hello('e1', 900);
  // Anew, without a position: it is not sent what lies between.
  const [, payload, ref] = socket().take('cmd/percolate');
  assert.equal(payload.since, undefined);
  socket().says('percolate/ok', { seq: 900 }, ref);
  assert.deepEqual(log, [['restart'], ['registered', 900, false]]);
  assert.equal(connection.status.behind, false);
});

test('of many things that change one is drawn in a frame', async () => {
  const { Frames } = await import('../lib/frames.js');
  /** @type {(() => void)[]} */
  const frames = [];
  Object.assign(globalThis, { document: { hidden: false }, requestAnimationFrame: (/** @type {() => void} */ run) => frames.push(run) });
  try {
    const drawn = new Frames();
    /** @type {number[]} */
    const log = [];
    for (let n = 0; n < 3; n++) drawn.ask(() => log.push(n));
    while (log.length < 3) {
      const before = log.length;
      assert.equal(frames.length, 1);
      frames.shift()?.();
      assert.equal(log.length, before + 1);
      while (frames.length === 0 && log.length < 3) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(log, [0, 1, 2]);
  } finally {
    Object.assign(globalThis, { document: undefined, requestAnimationFrame: undefined });
  }
});

test('tweets that come one by one are shown at once, and many in batches', (context) => {
  context.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 1_000_000 });
  let frames = 0;
  const { column, socket } = opened(0, { frame: (/** @type {() => void} */ run) => (frames++, run()) });
  let n = 0;
  /** @param {number} times @param {number} ms from one to the next */
  const push = (times, ms) => {
    const before = frames;
    for (let at = 0; at < times; at++) {
      socket().says('tweet/new', { tweet: tweet(n), seq: ++n, matches: ['a'] });
      context.mock.timers.tick(ms);
    }
    return frames - before;
  };
  assert.equal(push(20, 1000), 20);
  // 18 a second for ten seconds, as fast as the demo.
  const shown = push(180, 55);
  assert.ok(shown >= 10 && shown <= 25, `${shown} times`);
  assert.equal(column.feed.size, 200);
  // The last of a batch does not wait for another tweet.
  const before = frames;
  context.mock.timers.tick(1000);
  assert.ok(frames - before <= 1);
  assert.equal(column.version.value, frames);
  column.end();
});

test('what a search is about is counted by the server, and again when more has come', async (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const { column, answer, counted, socket } = opened(30);
  await answer();
  const until = () => socket().sent.find((/** @type {any[]} */ frame) => frame[0] === 'cmd/aggregate')?.[1].until_seq;
  socket().says('tweet/new', { tweet: tweet(30), seq: 31, matches: ['a'] });
  column.analyze();
  assert.equal(until(), 31);
  socket().says('tweet/new', { tweet: tweet(31, { text: 'new word' }), seq: 32, matches: ['a'] });
  column.analyze();
  const { spread } = column;
  assert.equal(spread?.counts, null);
  await counted(31, [{ key: 'word', count: 7 }]);
  assert.equal(spread?.time?.total, 31);
  assert.deepEqual(spread?.counts?.words, [{ term: 'word', count: 7 }]);
  assert.deepEqual(spread?.counts?.authors, []);
  // Not at once, and not again for nothing.
  column.analyze();
  assert.equal(until(), undefined);
  context.mock.timers.tick(10_000);
  column.analyze();
  assert.equal(until(), 32);
  await counted(32, [{ key: 'word', count: 8 }]);
  assert.deepEqual(spread?.counts?.words, [{ term: 'word', count: 8 }]);
  context.mock.timers.tick(10_000);
  column.analyze();
  assert.equal(until(), undefined);
});

test('what is withheld is counted, and the position passes it', async () => {
  const { column, answer, socket, clock } = opened(30);
  await answer();
  socket().says('tweet/new', { tweet: tweet(30), seq: 31, matches: ['a'] });
  socket().says('stream/limited', { count: 9, seq: 40 });
  const [, payload, ref] = socket().take('cmd/query');
  assert.deepEqual(payload, { query: 'rust', n: 0, until_seq: 40 });
  socket().says('tweet/new', { tweet: tweet(60), seq: 41, matches: ['a'] });
  socket().says('tweet/prev-chunk', { result: [], total: 40, next: null }, ref);
  await settle();
  assert.equal(column.feed.total, 41);
  socket().says('stream/limited', { count: 1, seq: 42 });
  socket().dies();
  await settle();
  clock.go(LONGEST_WAIT_MS);
  socket().hello();
  assert.equal(socket().take('cmd/percolate')[1].since, 42);
});

test('a tweet that is gone is taken out, and the server counts again', async () => {
  const { column, answer, socket } = opened(30);
  await answer();
  socket().says('tweet/new', { tweet: tweet(30), seq: 31, matches: ['a'] });
  socket().says('tweet/gone', { id_str: tweet(7).id_str, seq: 32, reason: 'deleted', matches: ['a'] });
  const [, payload, ref] = socket().take('cmd/query');
  assert.deepEqual(payload, { query: 'rust', n: 0, until_seq: 32 });
  socket().says('tweet/prev-chunk', { result: [], total: 30, next: null }, ref);
  await settle();
  assert.equal(column.feed.total, 30);
  assert.ok(!ids(column.feed).includes(7));
});

test('settings of a column are its own, and history is loaded as far as they say', async () => {
  const { column, answer, socket } = opened(300, { settings: { history: 100 } });
  await answer();
  await answer();
  assert.equal(column.feed.loaded, 100);
  column.configure({ history: 500, pageSize: 10 });
  await answer();
  assert.equal(column.history.value, 'all');
  column.configure({ history: 100, cap: 500 });
  assert.equal(column.history.value, 'all');
  assert.equal(column.feed.cap, 500);
  assert.equal(socket().take('cmd/query'), undefined);
});

test('a server that asks for a token is given one before anything else', () => {
  const { connection, socket, sockets, clock, log, handlers } = setUp(undefined, 'secret');
  connection.subscribe('a', 'x', handlers);
  connection.connect();
  socket().hello('e1', 0, false);
  assert.equal(socket().sent.length, 1);
  const [, payload, ref] = socket().take('cmd/auth');
  assert.deepEqual(payload, { token: 'secret' });
  socket().says('auth/ok', { sub: 'ann', exp: 5 }, ref);
  assert.equal(connection.status.state, 'open');
  socket().says('percolate/ok', { seq: 5 }, socket().take('cmd/percolate')[2]);
  // It has expired.
  socket().dies(4001, 'expired');
  assert.deepEqual([connection.status.state, connection.status.reason], ['locked', 'expired']);
  clock.go(10 * LONGEST_WAIT_MS);
  assert.equal(sockets.length, 1);
  connection.authorize('another');
  socket().hello('e1', 0, false);
  socket().says('auth/ok', {}, socket().take('cmd/auth')[2]);
  assert.equal(socket().take('cmd/percolate')[1].since, 5);
  assert.deepEqual(log, [['registered', 5, false]]);
});

test('who has no token, or a wrong one, is asked for it', async () => {
  const { connection, socket, clock, log, handlers } = setUp();
  connection.subscribe('a', 'x', handlers);
  connection.connect();
  socket().hello('e1', 0, false);
  const pending = assert.rejects(connection.request('cmd/query', {}), { code: 'connection_lost' });
  const refuse = (/** @type {any} */ frame) => socket().says('cmd/error', { code: 'unauthorized', message: 'a token is needed' }, frame[2]);
  refuse(socket().take('stats/users-count'));
  refuse(socket().take('cmd/percolate'));
  await pending;
  assert.deepEqual([connection.status.state, connection.status.reason, log], ['locked', 'a token is needed', []]);
  // It is quiet meanwhile: that is no reason to give the connection up.
  clock.go(SILENCE_MS);
  socket().says('pong', {}, socket().take('cmd/ping')[2]);
  assert.equal(connection.status.state, 'locked');
  connection.authorize('wrong');
  socket().says('cmd/error', { code: 'unauthorized', message: 'no good' }, socket().take('cmd/auth')[2]);
  assert.deepEqual([connection.status.state, connection.status.reason], ['locked', 'no good']);
  connection.authorize('right');
  socket().says('auth/ok', {}, socket().take('cmd/auth')[2]);
  assert.equal(connection.status.state, 'open');
  assert.ok(socket().take('cmd/percolate'));
});

test('another epoch empties the column and fills it anew', async () => {
  const { column, answer, socket, clock } = opened(30);
  await answer();
  assert.equal(column.feed.size, 30);
  socket().dies();
  clock.go(LONGEST_WAIT_MS);
  socket().hello('another');
  assert.equal(column.feed.size, 0);
  socket().says('percolate/ok', { seq: 30 }, socket().take('cmd/percolate')[2]);
  await answer();
  assert.equal(column.feed.size, 30);
  assert.equal(column.feed.total, 30);
});
