// Pages of other origins, in a real browser: what `server.allowed_origins` lets them do.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { Perch } from './perch.mjs';
import { tweet } from './support.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
/** A site that is not perch's. */
const site = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>a site</title>'));
let origin = '';

before(async () => {
  browser = await launch();
  await once(site.listen(0, '127.0.0.1'), 'listening');
  origin = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (site.address()).port}`;
});
after(async () => {
  await browser.close();
  site.close();
});

/** What a page of the site can do with perch. @param {string} url of perch @param {string} token */
const tryAll = async (url, token) => {
  /** @param {string} path @param {RequestInit} [init] */
  const status = async (path, init) => {
    try {
      const response = await fetch(url + path, init);
      await response.json();
      return response.status;
    } catch {
      return 'kept from the page';
    }
  };
  const authorization = `Bearer ${token}`;
  const search = await status('api/search?q=rust', { headers: { authorization } });
  const refused = await status('api/search?q=rust');
  const wrong = await status('api/search?q=%22', { headers: { authorization } });
  const posted = await status('api/tweets', { method: 'POST', headers: { authorization, 'content-type': 'application/x-ndjson' }, body: '{"id_str":"2","text":"java"}' });
  const resumed = await status('api/stream?q=rust', { headers: { authorization, 'last-event-id': 'nonsense' } });
  /** @type {string} */
  const socket = await new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}ws`, ['perch', `perch.bearer.${token}`]);
    socket.onmessage = () => resolve(socket.protocol);
    socket.onerror = () => resolve('kept from the page');
  });
  return { search, refused, wrong, posted, resumed, socket };
};

test('pages of allowed origins search, post, read errors and open sockets; others do not', { timeout: 120_000 }, async () => {
  const set = ['auth.secret_file="secret"', `server.allowed_origins=["${origin}"]`];
  const perch = await Perch.start('[]', set);
  const page = await (await browser.newContext()).newPage();
  try {
    const token = perch.token({ sub: 'ann', exp: Math.floor(Date.now() / 1000) + 600, publish: true });
    await page.goto(origin);
    const friend = await page.evaluate(`(${tryAll})(${JSON.stringify(perch.url)}, ${JSON.stringify(token)})`);
    assert.deepEqual(friend, { search: 200, refused: 401, wrong: 400, posted: 200, resumed: 400, socket: 'perch' });
    // The same page by another name is of another origin.
    await page.goto(origin.replace('127.0.0.1', 'localhost'));
    const stranger = await page.evaluate(`(${tryAll})(${JSON.stringify(perch.url)}, ${JSON.stringify(token)})`);
    const kept = 'kept from the page';
    assert.deepEqual(stranger, { search: kept, refused: kept, wrong: kept, posted: kept, resumed: kept, socket: kept });
  } finally {
    await page.context().close();
    await perch.stop();
  }
});

test('an EventSource of an allowed origin gets what matches', { timeout: 120_000 }, async () => {
  const perch = await Perch.start('[]', [`server.allowed_origins=["${origin}"]`]);
  const page = await (await browser.newContext()).newPage();
  try {
    await page.goto(origin);
    const came = page.evaluate((url) => {
      const events = new EventSource(`${url}api/stream?q=rust`);
      return new Promise((resolve, reject) => {
        events.addEventListener('percolate/ok', () => document.title = 'registered');
        events.addEventListener('tweet/new', (event) => resolve(JSON.parse(/** @type {MessageEvent} */ (event).data).tweet.text));
        events.onerror = () => reject(new Error('no stream'));
      });
    }, perch.url);
    await page.waitForFunction(() => document.title === 'registered');
    await perch.post(tweet(1, { text: 'rust' }));
    assert.equal(await came, 'rust');
  } finally {
    await page.context().close();
    await perch.stop();
  }
});
