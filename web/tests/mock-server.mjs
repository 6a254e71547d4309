// A stand-in for perch that serves the page and speaks the event protocol with made-up tweets: for
// working on the page and for its pictures. `node web/tests/mock-server.mjs [PORT]`. A query
// matches by its first plain word; `*` matches everything.

import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { bundled } from '../bundle.mjs';
import { PARTS, counted, countsOf } from '../lib/spread.js';
import { histogram } from '../lib/timeline.js';
import { readTweet } from '../lib/tweet.js';
import { chance, lively, playedTerms } from './support.mjs';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: http: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @param {string} query @param {any} tweet */
function matches(query, tweet) {
  if (/\bOR\b/.test(query)) return query.split(/\bOR\b/).some((part) => matches(part, tweet));
  const words = query.toLowerCase().match(/(?<![-:\w])[#@]?[\w*]+(?!\w*:)/g) ?? ['*'];
  const text = `${tweet.text} ${tweet.retweeted_status?.text ?? ''}`.toLowerCase();
  return words.every((word) => word === '*' || text.includes(word.replaceAll('*', '')));
}

/** Completions of the last word. @param {string} query */
function playedCompletions(query) {
  const [word = ''] = /[\w#:]*$/.exec(query) ?? [];
  const known = [
    { text: 'from:', kind: 'name', help: 'written by: from:ann' },
    { text: 'filter:', kind: 'name', help: 'contains or is: filter:links, -filter:retweets' },
    { text: 'rust', kind: 'word', count: 1311 },
    { text: 'release', kind: 'word', count: 208 },
    { text: '#rustlang', kind: 'hashtag', count: 97 },
  ];
  return { start: query.length - word.length, end: query.length, items: word ? known.filter(({ text }) => text.startsWith(word)) : [] };
}

/**
 * @param {{port?: number, rate?: number, history?: number, seed?: number, now?: number}} [options]
 *   rate: tweets a second, 0 for none
 */
export async function start({ port = 0, rate = 3, history = 1500, seed = 1, now = Date.now() } = {}) {
  const random = chance(seed);
  const epoch = '6b1f6a52-0000-4000-8000-000000000001';
  /** Newest last. @type {any[]} */
  const tweets = [];
  for (let n = 0; n < history; n++) tweets.push(another(now - (history - n) * 9000 + random() * 8000));
  /** @param {number} time */
  function another(time) {
    const n = tweets.length;
    const made = lively(n, random, time);
    const target = tweets[Math.floor(n - 1 - random() * 30)];
    if (n > 50 && random() < 0.25 && target && !target.retweeted_status) {
      target.retweet_count++;
      const isKnown = random() < 0.7;
      return { ...made, text: `RT @${target.user.screen_name}: ${target.text}`, entities: { ...target.entities, user_mentions: [...target.entities.user_mentions, { screen_name: target.user.screen_name }] }, retweeted_status: isKnown ? target : { id_str: target.id_str } };
    }
    return made;
  }

  const files = await bundled();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/api/explain') {
      const query = url.searchParams.get('q') ?? '';
      const open = query.lastIndexOf('(');
      const isWrong = open >= 0 && !query.includes(')', open);
      response.writeHead(isWrong ? 400 : 200, { 'content-type': 'application/json' });
      const at = { column: [...query.slice(0, open)].length + 1, length: 1 };
      response.end(JSON.stringify(isWrong ? { error: { code: 'bad_query', message: 'this bracket is not closed: expected `)`', at } } : { query_id: epoch, canonical: query.replace(/\s+/g, ' ') }));
      return;
    }
    if (url.pathname === '/api/suggest') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(playedCompletions(url.searchParams.get('q') ?? '')));
      return;
    }
    const path = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
    const body = files.get(path);
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[/** @type {keyof typeof TYPES} */ (extname(path))] ?? 'text/plain', 'content-security-policy': CSP });
    response.end(body);
  });

  const sockets = new WebSocketServer({ server, path: '/ws' });
  /** @type {Set<{send: (frame: unknown[]) => void, subscriptions: Map<string, string>}>} */
  const sessions = new Set();
  sockets.on('connection', (socket) => {
    /** @param {unknown[]} frame */
    const send = (frame) => socket.send(JSON.stringify(frame));
    const subscriptions = new Map();
    const session = { send, subscriptions };
    sessions.add(session);
    socket.on('close', () => sessions.delete(session));
    send(['hello', { uid: epoch, version: '0.0.0', epoch, seq: tweets.length, limits: { page: 1000, subscriptions: 100 } }]);
    send(['stats/users-count', sessions.size]);
    send(['stats/total-tweet-count', tweets.length]);
    socket.on('message', (data) => {
      const [event, payload, ref] = JSON.parse(String(data));
      if (event === 'cmd/percolate') {
        subscriptions.set(payload.name, payload.query);
        send(['percolate/ok', { name: payload.name, query_id: epoch, seq: tweets.length }, ref]);
        if (payload.since !== undefined)
          tweets.slice(payload.since).forEach((tweet, at) => {
            if (matches(payload.query, tweet)) send(['tweet/new', { tweet, seq: payload.since + at + 1, matches: [payload.name] }]);
          });
      } else if (event === 'cmd/unpercolate') {
        subscriptions.delete(payload.name);
        send(['unpercolate/ok', { name: payload.name }]);
      } else if (event === 'cmd/query') {
        const found = tweets.slice(0, payload.until_seq ?? tweets.length).filter((tweet) => matches(payload.query, tweet)).reverse();
        const left = payload.before_id ? found.filter((tweet) => BigInt(tweet.id_str) < BigInt(payload.before_id)) : found;
        const result = left.slice(0, payload.n);
        const next = left.length > payload.n ? result[result.length - 1]?.id_str : null;
        send(['tweet/prev-chunk', { result, total: found.length, next }, ref]);
      } else if (event === 'cmd/missing') {
        const tweet = tweets.find((tweet) => tweet.id_str === payload.id_str);
        send(tweet ? ['tweet/missing-tweet', tweet, ref] : ['cmd/error', { code: 'not_found', message: 'there is no such tweet' }, ref]);
      } else if (event === 'cmd/aggregate') {
        const found = tweets.slice(0, payload.until_seq ?? tweets.length).filter((tweet) => matches(payload.query, tweet));
        const { by, n } = payload;
        const part = /** @type {import('../lib/spread.js').Part | undefined} */ (Object.entries(PARTS).find(([, field]) => field === by)?.[0]);
        if (part) {
          const read = found.flatMap((raw) => readTweet(raw) ?? []);
          const words = () => counted(read.flatMap(({ text }) => [...new Set(playedTerms(text).map(([term]) => term))]));
          const top = (part === 'words' ? words() : countsOf(read)[part]).slice(0, n);
          send(['aggregate/ok', { by, total: found.length, buckets: top.map(({ term, count }) => ({ key: term, count })) }, ref]);
          return;
        }
        const { interval, starts, counts } = histogram(found.map((tweet) => Date.parse(tweet.created_at)));
        const buckets = starts.map((key, at) => ({ key, count: counts[at] })).filter(({ count }) => count);
        send(['aggregate/ok', { by, total: found.length, interval_ms: interval, buckets }, ref]);
      } else if (event === 'cmd/analyze') send(['analyze/ok', { terms: payload.texts.map(playedTerms) }, ref]);
      else if (event === 'stats/users-count') send([event, sessions.size, ref]);
      else if (event === 'stats/total-tweet-count') send([event, tweets.length, ref]);
      else if (event === 'cmd/ping') send(['pong', {}, ref]);
      else send(['cmd/error', { code: 'bad_event', message: `there is no event ${event}` }, ref]);
    });
  });

  /** @param {any} made */
  function push(made) {
    tweets.push(made);
    for (const { send, subscriptions } of sessions) {
      const names = [...subscriptions].filter(([, query]) => matches(query, made)).map(([name]) => name);
      if (names.length) send(['tweet/new', { tweet: made, seq: tweets.length, matches: names }]);
    }
  }
  const timers = [];
  if (rate > 0) timers.push(setInterval(() => push(another(Date.now())), 1000 / rate));
  timers.push(
    setInterval(() => {
      for (const { send } of sessions) {
        send(['stats/users-count', sessions.size]);
        send(['stats/total-tweet-count', tweets.length]);
      }
    }, 2000),
  );
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}/`,
    push,
    another,
    stop() {
      for (const timer of timers) clearInterval(timer);
      for (const client of sockets.clients) client.terminate();
      server.close();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start({ port: Number(process.argv[2] ?? 8899) });
  console.log(url);
}
