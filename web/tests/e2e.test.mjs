// The page in a real browser, on the real server: searches, columns, tweets.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LONG, accessible, column, exported, live, many, shown, texts, total } from './page.mjs';
import { chance, lively, tweet } from './support.mjs';

live('a search, from typing to the first live tweet', async ({ perch, page, open }) => {
  await perch.post(tweet(1, { text: 'old rust news' }), tweet(2, { text: 'old java news' }));
  await open('');
  await page.getByRole('combobox', { name: 'Search' }).fill('rust');
  await page.keyboard.press('Enter');
  await shown(page, 'old rust news');
  await total(page, 'rust', 1);
  const stats = page.getByRole('list', { name: 'State' });
  for (const text of ['Live', '2 tweets', '1 user', '1 on this page']) await stats.getByRole('listitem').filter({ hasText: text }).waitFor();
  assert.equal(new URL(page.url()).search, '?q=rust');
  assert.match(await page.title(), /rust/);
  // The fastest of a few, since the machine may be busy.
  const times = [];
  for (let n = 0; n < 5; n++) {
    const started = performance.now();
    const posted = perch.post(tweet(10 + n, { text: `fresh rust ${n}` }));
    await shown(page, `fresh rust ${n}`);
    times.push(performance.now() - started);
    await posted;
  }
  console.log(`from POST to the tweet on the page: ${Math.min(...times).toFixed(0)} ms`);
  assert.ok(Math.min(...times) < 1000, `${times}`);
  assert.deepEqual(await texts(page), ['fresh rust 4', 'fresh rust 3', 'fresh rust 2', 'fresh rust 1', 'fresh rust 0', 'old rust news']);
  assert.deepEqual(await page.locator('.tweet .text').first().locator('mark').allTextContents(), ['rust']);
});

live('a tweet that is deleted or changed disappears, also from a page that was away', async ({ perch, page, open }) => {
  const post = (/** @type {number} */ n, /** @type {string} */ text) => ({ ...tweet(n, { text }), id_str: `at://did:plc:a/app.bsky.feed.post/${n}` });
  await perch.post(post(1, 'one rust'), tweet(2, { text: 'two rust' }), post(3, 'three rust'), tweet(4, { text: 'four rust' }));
  await open('?q=rust');
  await shown(page, 'one rust');
  await total(page, 'rust', 4);
  await perch.delete(post(1, '').id_str);
  await total(page, 'rust', 3);
  await perch.post(tweet(2, { text: 'two java' }));
  await total(page, 'rust', 2);
  assert.deepEqual(await texts(page), ['four rust', 'three rust']);
  const offline = page.locator('.connection:not([data-state="open"])');
  const { host } = new URL(perch.url);
  await perch.kill();
  await offline.waitFor();
  await perch.again();
  assert.equal(new URL(perch.url).host, host);
  await page.locator('.connection[data-state="open"]').waitFor();
  await perch.delete(tweet(4).id_str);
  await total(page, 'rust', 1);
  assert.deepEqual(await texts(page), ['three rust']);
});

live('history and live tweets meet without a seam, while tweets pour in', async ({ perch, page, open }) => {
  await perch.post(...many(0, 400));
  let isOpen = false;
  let n = 400;
  const pouring = (async () => {
    // Until the page has been live for a while.
    for (let after = 0; after < 12; after += isOpen ? 1 : 0, n += 30) await perch.post(...many(n, 30));
  })();
  await open('?q=tweet');
  isOpen = true;
  await pouring;
  await total(page, 'tweet', n);
  await page.locator('.menu summary').click();
  await page.getByLabel('History to load').selectOption('2000');
  await page.keyboard.press('Escape');
  await page.waitForFunction((n) => document.querySelector('.column')?.getAttribute('data-size') === String(n), n);
  const got = await exported(page);
  assert.deepEqual(
    got.map((tweet) => tweet.id_str),
    await perch.search('tweet'),
  );
});

live('history says how far it is, stops when told to, and goes on', async ({ perch, page, open }) => {
  await perch.post(...many(0, 300));
  // The network holds back every page but the first.
  let pages = 0;
  /** @type {(() => void)[]} */
  const held = [];
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => server.send(message));
    server.onMessage((message) => {
      if (String(message).startsWith('["tweet/prev-chunk"') && pages++ > 0) held.push(() => socket.send(message));
      else socket.send(message);
    });
  });
  await open('?q=tweet');
  await page.locator('.progress', { hasText: 'Loading history: 40 of 300' }).waitFor();
  await accessible(page, 'loading');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('.progress').waitFor({ state: 'detached' });
  held.splice(0).forEach((release) => release());
  await perch.post(tweet(500));
  await shown(page, 'tweet number 500');
  assert.equal(await page.locator('.column').getAttribute('data-size'), '41');
  pages = -100;
  await page.waitForFunction(() => {
    const scroller = document.querySelector('.scroller');
    if (scroller) scroller.scrollTop = scroller.scrollHeight;
    return document.querySelector('.end')?.textContent?.includes('Stopped at');
  });
  await page.getByRole('button', { name: 'Load older tweets' }).click();
  await page.waitForFunction(() => document.querySelector('.column')?.getAttribute('data-size') === '241');
  assert.deepEqual(
    (await exported(page)).map((tweet) => tweet.id_str),
    (await perch.search('tweet')).slice(0, 241),
  );
});

live('history is all there when its end is reached', async ({ perch, page, open }) => {
  await perch.post(...many(0, 700));
  await open('?q=tweet');
  await page.waitForFunction(() => document.querySelector('.column')?.getAttribute('data-size') === '500');
  await page.locator('.scroller').focus();
  // The end of what is loaded, as one reaches it by scrolling.
  await page.waitForFunction(() => {
    const scroller = document.querySelector('.scroller');
    if (scroller) scroller.scrollTop = scroller.scrollHeight;
    return document.querySelector('.end')?.textContent?.includes('That is all there is');
  });
  // Only some of them are drawn at one time; what is left out keeps its room, and comes again.
  assert.ok((await page.locator('.tweet').count()) <= 320, 'bounded');
  assert.equal((await texts(page)).at(-1), 'tweet number 0');
  const height = await page.locator('.scroller').evaluate((scroller) => scroller.scrollHeight);
  assert.ok(height > 700 * 60, `${height} px for 700 tweets`);
  /** @type {Set<string>} */
  const seen = new Set();
  for (let turns = 0; turns < 200; turns++) {
    const { top, visible, bottom } = await page.locator('.scroller').evaluate((scroller) => {
      const { top, bottom } = scroller.getBoundingClientRect();
      const inside = [...scroller.querySelectorAll('.tweet')].filter((tweet) => tweet.getBoundingClientRect().bottom > top && tweet.getBoundingClientRect().top < bottom);
      const visible = inside.map((tweet) => tweet.querySelector('.text')?.textContent ?? '');
      scroller.scrollTop -= scroller.clientHeight / 2;
      return { top: scroller.scrollTop, visible, bottom: bottom - top };
    });
    assert.ok(visible.length > bottom / 120, `nothing is blank: ${visible.length} tweets on ${bottom} px`);
    for (const text of visible) seen.add(text);
    if (top === 0) break;
    // The observers run with the frame.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
  await shown(page, 'tweet number 699');
  for (const text of await texts(page)) seen.add(text);
  assert.equal(seen.size, 700);
});

live('back and forward walk through the searches', async ({ perch, page, open }) => {
  await perch.post(tweet(1, { text: 'about rust #crates' }), tweet(2, { text: 'about java' }));
  await open('?q=rust');
  await shown(page, 'about rust');
  await page.getByRole('combobox', { name: 'Search' }).fill('java');
  await page.keyboard.press('Enter');
  await shown(page, 'about java');
  await page.goBack();
  await shown(page, 'about rust');
  assert.equal(await page.getByRole('combobox', { name: 'Search' }).inputValue(), 'rust');
  await page.getByRole('link', { name: '#crates' }).click();
  await column(page, '#crates').waitFor();
  await page.goBack();
  await page.goBack();
  await page.goForward();
  await page.goForward();
  await column(page, '#crates').waitFor();
  assert.equal(new URL(page.url()).searchParams.get('q'), '#crates');
  await page.getByRole('link', { name: '#crates' }).click({ modifiers: ['Shift'] });
  assert.equal(new URL(page.url()).searchParams.get('q'), '#crates');
  await page.locator('.tweet .screen').click({ modifiers: ['Shift'] });
  assert.equal(new URL(page.url()).searchParams.get('q'), '#crates from:ann');
});

live('columns: side by side over one connection, each tweet sent once', async ({ perch, page, open }) => {
  /** @type {any[]} */
  const frames = [];
  let sockets = 0;
  page.on('websocket', (socket) => {
    sockets++;
    socket.on('framereceived', ({ payload }) => frames.push(JSON.parse(String(payload))));
  });
  await open('?q=rust');
  await page.getByRole('combobox', { name: 'Search' }).fill('java');
  await page.keyboard.press('Shift+Enter');
  await column(page, 'java').waitFor();
  await total(page, 'java', 0);
  await perch.post(tweet(1, { text: 'rust and java' }), tweet(2, { text: 'rust only' }));
  await total(page, 'rust', 2);
  await total(page, 'java', 1);
  assert.equal(sockets, 1);
  const pushed = frames.filter(([event]) => event === 'tweet/new').map(([, payload]) => payload.matches.length);
  assert.deepEqual(pushed, [2, 1]);
  // By keyboard, and by hand.
  await column(page, 'java').locator('.grip').focus();
  await page.keyboard.press('ArrowLeft');
  const order = () => page.locator('.query').allTextContents();
  await page.waitForFunction(() => document.querySelector('.query')?.textContent === 'java');
  assert.deepEqual(await order(), ['java', 'rust']);
  assert.equal(new URL(page.url()).search, '?q=java&q=rust');
  await column(page, 'java').locator('.grip').dragTo(column(page, 'rust'));
  await page.waitForFunction(() => document.querySelector('.query')?.textContent === 'rust');
  await page.locator('.column.active', { hasText: 'java' }).waitFor();
  await column(page, 'java').locator('.scroller').focus();
  await page.keyboard.press('[');
  await page.locator('.column.active .query', { hasText: 'rust' }).waitFor();
  await page.keyboard.press(']');
  await page.locator('.column.active .query', { hasText: 'java' }).waitFor();
  await column(page, 'rust').getByRole('button', { name: 'Close column' }).click();
  await column(page, 'rust').waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).search, '?q=java');
  await perch.post(tweet(3, { text: 'java again' }));
  await total(page, 'java', 2);
});

live('a pause counts what comes and brings it in', async ({ perch, page, open }) => {
  await perch.post(...many(0, 5));
  await open('?q=tweet');
  await total(page, 'tweet', 5);
  await page.keyboard.press('p');
  await page.locator('.state.paused').waitFor();
  await perch.post(...many(5, 37));
  await page.getByRole('button', { name: 'Show 37 new tweets' }).click();
  await shown(page, 'tweet number 41');
  assert.equal((await texts(page))[0], 'tweet number 41');
  await page.locator('.state.live').waitFor();
});

live('pictures, and initials where there are none', async ({ perch, page, open }) => {
  await page.route('https://pictures.test/**', (route) =>
    route.request().url().includes('broken') ? route.abort() : route.fulfill({ contentType: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"/>' }),
  );
  await perch.post(
    tweet(1, { text: 'with', user: { profile_image_url: 'https://pictures.test/ann.svg' }, entities: { media: [{ media_url: 'https://pictures.test/sea.svg', url: 'https://t.co/m', type: 'photo' }] } }),
    tweet(2, { text: 'broken', user: { name: 'Bob Broken', profile_image_url: 'https://pictures.test/broken.svg' }, entities: { media: [{ media_url: 'https://pictures.test/broken-too.svg', url: 'https://t.co/m', type: 'photo' }] } }),
    tweet(3, { text: 'without' }),
  );
  await open('?q=*');
  const of = (/** @type {string} */ text) => page.locator('.tweet', { hasText: new RegExp(`${text}`) });
  await of('broken').locator('.initials', { hasText: 'BB' }).waitFor();
  await of('without').locator('.initials', { hasText: 'AE' }).waitFor();
  await of('broken').locator('.image').waitFor({ state: 'detached' });
  await page.waitForFunction(() => [...document.querySelectorAll('img')].filter((image) => image.src.includes('pictures.test') && image.naturalWidth === 80).length === 2);
});

live('who scrolls down reads: the place does not move', async ({ perch, page, open }) => {
  await perch.post(...many(0, 60));
  await open('?q=tweet');
  await total(page, 'tweet', 60);
  await page.locator('.scroller').hover();
  await page.mouse.wheel(0, 1000);
  await page.locator('.state.paused').waitFor();
  const visible = await page.evaluate(() => {
    const top = /** @type {Element} */ (document.querySelector('.scroller')).getBoundingClientRect().top;
    const tweets = [...document.querySelectorAll('.tweet')];
    return /** @type {HTMLElement} */ (tweets.find((tweet) => tweet.getBoundingClientRect().top > top + 50)).dataset.id;
  });
  const place = () => page.locator(`[data-id="${visible}"]`).evaluate((element) => element.getBoundingClientRect().top);
  const before = await place();
  await perch.post(...many(100, 50));
  await page.getByRole('button', { name: 'Show 50 new tweets' }).waitFor();
  assert.equal(await place(), before);
  await page.mouse.wheel(0, -5000);
  await shown(page, 'tweet number 149');
  await page.locator('.state.live').waitFor();
});

live('orders, and pages of a size', async ({ perch, page, open }) => {
  const original = tweet(0, { text: 'the tweet itself', favorite_count: 3, retweet_count: 2 });
  await perch.post(
    original,
    tweet(1, { text: 'a tweet of a star', user: { followers_count: 9000 } }),
    tweet(2, { text: 'a tweet many like', favorite_count: 500 }),
    tweet(3, { text: 'RT @ann: the tweet itself', retweeted_status: original }),
    tweet(4, { text: 'RT @ann: the tweet itself', retweeted_status: original }),
  );
  await open('?q=tweet');
  await total(page, 'tweet', 5);
  const first = async (/** @type {string} */ order, /** @type {string} */ text) => {
    await page.getByLabel('Order').selectOption(order);
    await page.locator('.tweets li:first-child', { hasText: text }).waitFor();
  };
  await first('followers', 'a tweet of a star');
  await first('favorites', 'a tweet many like');
  await first('retweets', 'the tweet itself');
  await first('seen', '2 retweets live');
  await first('reach', 'a tweet of a star');
  assert.equal(new URL(page.url()).searchParams.get('o'), 'reach');
  assert.equal(await page.locator('.tweet').count(), 3, 'retweets are with their original');
  await page.reload();
  await page.locator('.tweets li:first-child', { hasText: 'a tweet of a star' }).waitFor();
  await first('latest', 'the tweet itself');
  await perch.post(...many(10, 12));
  await total(page, 'tweet', 17);
  await page.locator('.menu summary').click();
  await page.getByLabel('Tweets to a page').selectOption('5');
  await page.keyboard.press('Escape');
  await page.getByText('Page 1 of 3').waitFor();
  assert.deepEqual(await texts(page), [21, 20, 19, 18, 17].map((n) => `tweet number ${n}`));
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.locator('.tweets li:first-child', { hasText: 'tweet number 16' }).waitFor();
  await perch.post(tweet(50));
  await page.getByRole('button', { name: 'Show 1 new tweet' }).click();
  await page.locator('.tweets li:first-child', { hasText: 'tweet number 50' }).waitFor();
});

live('what is retweeted and not here is fetched', async ({ perch, page, open }) => {
  const original = tweet(1, { text: 'the whole original', user: { name: 'Olga Original', screen_name: 'olga' } });
  await perch.post(original);
  await open('?q=from:rita');
  await total(page, 'from:rita', 0);
  await perch.post(tweet(2, { text: 'RT @olga: the whole', user: { name: 'Rita', screen_name: 'rita' }, retweeted_status_id_str: original.id_str }));
  await shown(page, 'the whole original');
  assert.equal(await page.locator('.tweet .name').textContent(), 'Olga Original');
  assert.match((await page.locator('.tweet .context').textContent()) ?? '', /Rita retweeted/);
  // One that nobody has stays as it came.
  await perch.post(tweet(3, { text: 'RT @nobody: of old', user: { name: 'Rita', screen_name: 'rita' }, retweeted_status_id_str: '12' }));
  await shown(page, 'RT @nobody: of old');
});

live('the server dies and comes back: nothing lost, nothing twice', async ({ perch, page, open }) => {
  await perch.post(...many(0, 50));
  await open('?q=tweet&q=number');
  await total(page, 'tweet', 50);
  for (let round = 1; round <= 2; round++) {
    await perch.kill();
    await page.getByText('The connection is lost').waitFor();
    if (round === 1) await accessible(page, 'connection lost');
    await perch.again();
    // What comes while the page is away.
    await perch.post(...many(round * 1000, 40));
    await page.locator('.connection[data-state="open"]').waitFor();
    await perch.post(...many(round * 1000 + 40, 20));
    await total(page, 'tweet', 50 + round * 60);
    await total(page, 'number', 50 + round * 60);
  }
  const got = await exported(page);
  assert.deepEqual(
    got.map((tweet) => tweet.id_str),
    await perch.search('tweet'),
  );
  assert.equal(await page.locator('.banner').count(), 0);
});

live('hostile tweets are text', async ({ perch, page, open }) => {
  const script = '<script>window.pwned = 1</script><img src=x onerror="window.pwned=1">';
  const hostile = [
    script,
    '"><svg onload=window.pwned=1>',
    'left \u202Eright to left\u202C \u2066x',
    `Z${'\u0335\u0321\u0489'.repeat(200)}algo`,
    'long '.repeat(2000),
    'x'.repeat(10_000),
    'javascript:window.pwned=1 https://[broken http:// https://a.b/"onclick="window.pwned=1',
    '👩‍👩‍👧‍👦🏳️‍🌈 \u0000\u0007 \uFFFF ﷽﷽﷽',
    '{{constructor.constructor("window.pwned=1")()}} ${window.pwned=1}',
  ];
  await perch.post(
    ...hostile.map((text, n) =>
      tweet(n, {
        text,
        lang: script,
        user: { name: n % 2 ? script : '\u202Eevil'.repeat(50), screen_name: script, profile_image_url_https: n % 2 ? 'javascript:window.pwned=1' : 'https://example.invalid/x.png' },
        entities: {
          urls: [{ url: 'https://t.co/a', expanded_url: 'javascript:window.pwned=1', display_url: script }],
          media: [{ media_url_https: 'data:text/html,<script>window.pwned=1</script>', url: 'x' }],
        },
      }),
    ),
  );
  await open('?q=*');
  await total(page, '*', hostile.length);
  await page.locator('.tweet').nth(hostile.length - 1).waitFor();
  // An address is shown without its scheme.
  assert.deepEqual((await texts(page)).reverse(), hostile.map((text) => text.replace('https://a.b/', 'a.b/')));
  const { links, scripts, pwned, wide } = await page.evaluate(() => ({
    links: [...document.querySelectorAll('.tweet a')].map((link) => /** @type {HTMLAnchorElement} */ (link).protocol),
    scripts: document.querySelectorAll('.tweet script, .tweet svg[onload], .tweet [onclick], .tweet [onerror]').length,
    // @ts-expect-error set by none
    pwned: globalThis.pwned,
    wide: [...document.querySelectorAll('.tweet')].some((tweet) => tweet.getBoundingClientRect().width > 870 || tweet.getBoundingClientRect().height > 800),
  }));
  assert.ok(links.every((protocol) => protocol === 'http:' || protocol === 'https:'), `${links}`);
  assert.deepEqual({ scripts, pwned, wide }, { scripts: 0, pwned: undefined, wide: false });
  // The long ones open up.
  await page.getByRole('button', { name: 'Show all' }).first().click();
  await page.getByRole('button', { name: 'Show less' }).waitFor();
  // And the JSON is text, with the id as it was.
  await page.locator('.age').last().click();
  const json = JSON.parse((await page.locator('.json').textContent()) ?? '');
  assert.equal(json.text, script);
  assert.match((await page.locator('.json').textContent()) ?? '', /"id": 1800000000000000001,/);
  await accessible(page, 'hostile tweets');
});

live('a wrong query is shown where it is wrong, and replaces nothing', async ({ perch, page, open }) => {
  await perch.post(tweet(1, { text: 'java job' }));
  await open('?q=java');
  const field = page.getByRole('combobox', { name: 'Search' });
  await field.fill('java (job OR');
  await page.locator('.mistake').waitFor();
  assert.match((await page.locator('.mistake p').textContent()) ?? '', /^Column \d+: /);
  assert.ok(await page.locator('.mistake pre .wrong').isVisible());
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  await page.keyboard.press('Enter');
  assert.equal(new URL(page.url()).search, '?q=java');
  await accessible(page, 'wrong query');
  await field.fill('java job');
  await page.locator('.understood', { hasText: '1 tweet so far' }).waitFor();
  assert.equal(await page.locator('.mistake').count(), 0);
  // One that comes by the address says so in its column.
  await open(`?q=${encodeURIComponent('(')}`);
  await page.locator('.notice.bad').waitFor();
});

live('the rate is estimated while typing', async ({ perch, page, open }) => {
  const now = Date.now();
  // One each minute and a half.
  await perch.post(...Array.from({ length: 40 }, (_, n) => tweet(n, { created_at: new Date(now - (40 - n) * 90_000).toISOString() })));
  await open('');
  await page.getByRole('combobox', { name: 'Search' }).fill('tweet');
  await page.locator('.estimate', { hasText: /40 tweets so far, about (39|40|41) an hour, looked at for 100% of all tweets/ }).waitFor();
});

live('recent and saved searches, out and in again', async ({ page, open }) => {
  await open('');
  const field = page.getByRole('combobox', { name: 'Search' });
  await field.fill('rust');
  await page.getByRole('button', { name: 'Save this search' }).click();
  await field.fill('java');
  await page.keyboard.press('Enter');
  await column(page, 'java').waitFor();
  await open('');
  await field.click();
  await page.locator('.suggestion', { hasText: 'java' }).waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export searches' }).click()]);
  const file = await readFile(await download.path());
  assert.deepEqual(JSON.parse(String(file)).saved, [{ query: 'rust', name: 'rust' }]);
  await page.evaluate(() => localStorage.clear());
  await open('');
  await field.click();
  await page.setInputFiles('input[type=file]', { name: 'searches.json', mimeType: 'application/json', buffer: file });
  await page.locator('.keep', { hasText: '1 search added' }).waitFor();
  await page.locator('.suggestion', { hasText: 'rust' }).click();
  await column(page, 'rust').waitFor();
});

live('settings of a column outlive the page', async ({ perch, page, open }) => {
  await perch.post(...many(0, 12));
  await open('?q=tweet&q=number');
  const menu = column(page, 'tweet').locator('.menu summary');
  await menu.click();
  await page.getByLabel('Tweets to a page').selectOption('5');
  await page.getByLabel('Tweets to keep').selectOption('500');
  await page.getByLabel('Count in the title').check();
  await page.reload();
  await column(page, 'tweet').getByText('Page 1 of 3').waitFor();
  assert.equal(await column(page, 'number').locator('.pager').count(), 0);
  await menu.click();
  assert.equal(await page.getByLabel('Tweets to keep').inputValue(), '500');
  assert.ok(await page.getByLabel('Count in the title').isChecked());
  // As it comes again: nothing is kept of it.
  await page.getByLabel('Tweets to a page').selectOption('0');
  await page.getByLabel('Tweets to keep').selectOption('2000');
  await page.getByLabel('Count in the title').uncheck();
  assert.deepEqual(await page.evaluate(() => JSON.parse(localStorage.getItem('perch') ?? '').settings), {});
});

live(
  'who looks elsewhere is told: in the title and on the desktop',
  async ({ perch, page, open }) => {
    await page.addInitScript(() => {
      /** @type {any[]} */
      const notes = [];
      class Note {
        static permission = 'granted';
        static requestPermission = async () => 'granted';
        /** @param {string} title @param {any} options */
        constructor(title, options) {
          notes.push([title, options.body]);
        }
      }
      Object.assign(globalThis, { notes, Notification: Note });
      let isHidden = false;
      Object.defineProperty(document, 'hidden', { get: () => isHidden });
      Object.assign(globalThis, {
        look: (/** @type {boolean} */ away) => {
          isHidden = away;
          document.dispatchEvent(new Event('visibilitychange'));
        },
      });
    });
    const look = (/** @type {boolean} */ away) => page.evaluate((away) => /** @type {any} */ (globalThis).look(away), away);
    await open('?q=tweet&q=number');
    await total(page, 'tweet', 0);
    await column(page, 'tweet').locator('.menu summary').click();
    await page.getByLabel('Desktop notifications').check();
    await page.getByLabel('Count in the title').check();
    await page.keyboard.press('Escape');
    await perch.post(tweet(1));
    await total(page, 'tweet', 1);
    assert.doesNotMatch(await page.title(), /\(/, 'who looks is not told');
    await look(true);
    await perch.post(...many(2, 3));
    // Each once, however many columns it matches: the other one does not count.
    await page.waitForFunction(() => document.title.startsWith('(3) '));
    const notes = await page.evaluate(() => /** @type {any} */ (globalThis).notes);
    assert.equal(notes.length, 1, 'not one for each tweet of a crowd');
    assert.equal(notes[0][0], 'tweet');
    assert.match(notes[0][1], /^Ann Example: tweet number \d/);
    await look(false);
    await page.waitForFunction(() => !document.title.includes('('));
  },
);

live('notifications that are not allowed are not switched on', async ({ page, open }) => {
  await page.addInitScript(() => Object.assign(globalThis, { Notification: { requestPermission: async () => 'denied' } }));
  await open('?q=tweet');
  await page.locator('.menu summary').click();
  await page.getByLabel('Desktop notifications').click();
  await page.locator('[role=status]', { hasText: 'does not allow notifications' }).waitFor({ state: 'attached' });
  assert.ok(!(await page.getByLabel('Desktop notifications').isChecked()));
});

live(
  'where a token is asked for, so is the person',
  async ({ perch, page, open }) => {
    await open('?q=tweet', 'locked');
    const dialog = page.getByRole('dialog', { name: 'Token' });
    await dialog.waitFor();
    await accessible(page, 'token');
    await dialog.getByLabel('Token').fill('nonsense');
    await page.keyboard.press('Enter');
    await dialog.getByText('The server says: ').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await accessible(page, 'locked');
    await page.getByRole('button', { name: 'Enter token' }).click();
    const token = perch.token({ sub: 'ann', exp: Math.floor(Date.now() / 1000) + 600 });
    await dialog.getByLabel('Token').fill(token);
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    await page.locator('.connection[data-state="open"]').waitFor();
    await perch.post(tweet(1));
    await total(page, 'tweet', 1);
    // A query is checked, too.
    await page.getByRole('combobox', { name: 'Search' }).fill('tweet AND (');
    await page.locator('.mistake').waitFor();
    await page.reload();
    await total(page, 'tweet', 1);
    const { address, lasting } = await page.evaluate(() => ({ address: location.href, lasting: JSON.stringify({ ...localStorage }) }));
    assert.ok(!address.includes(token) && !lasting.includes(token));
    // It ends: the page asks again, and goes on where it was.
    await page.evaluate(
      (token) => sessionStorage.setItem('perch.token', token),
      perch.token({ sub: 'ann', exp: Math.floor(Date.now() / 1000) + 3 }),
    );
    await page.reload();
    await dialog.waitFor();
    await perch.post(...many(2, 5));
    await dialog.getByLabel('Token').fill(token);
    await page.keyboard.press('Enter');
    await total(page, 'tweet', 6);
  },
  { set: ['auth.secret_file="secret"'] },
);

live(
  'what the server withholds is said and counted',
  async ({ perch, page, open }) => {
    await open('?q=tweet');
    await total(page, 'tweet', 0);
    await perch.post(...many(0, 200));
    await page.locator('.banner', { hasText: 'More tweets match than the server sends' }).waitFor();
    await total(page, 'tweet', 200);
    await accessible(page, 'withheld');
  },
  { set: ['limits.pushes_per_second=50'] },
);

live('a page that is behind says so, and catches up', async ({ perch, page, open }) => {
  await perch.post(...many(0, 5));
  // The network stands between server and page, and adds what a server says that has to catch up.
  /** @type {any} */
  let toPage;
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => socket.send(message));
    socket.onMessage((message) => server.send(message));
    toPage = socket;
  });
  await open('?q=tweet');
  await total(page, 'tweet', 5);
  toPage.send('["stream/catching-up",{"from_seq":5}]');
  await page.locator('.banner', { hasText: 'Behind: catching up' }).waitFor();
  assert.equal(await page.locator('.connection').textContent(), 'Catching up');
  await accessible(page, 'behind');
  await perch.post(...many(10, 5));
  await total(page, 'tweet', 10);
  toPage.send('["stream/live",{"seq":10}]');
  await page.locator('.banner').waitFor({ state: 'detached' });
});

live('CSV holds what is loaded', async ({ perch, page, open }) => {
  await perch.post(tweet(1, { text: 'say "hi", ok' }));
  await open('?q=hi');
  await total(page, 'hi', 1);
  await page.locator('.menu summary').click();
  await accessible(page, 'menu');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV', exact: true }).click()]);
  const lines = (await readFile(await download.path(), 'utf8')).split('\r\n');
  assert.match(lines[1] ?? '', /^1800000000000004097,.*"say ""hi"", ok"/);
});

live('five hundred a second: the page answers, stays small, and counts right', async ({ perch, page, open }) => {
  await page.addInitScript(() => {
    /** @type {number[]} */
    const delays = [];
    Object.assign(globalThis, { delays });
    addEventListener('keydown', (event) => delays.push(performance.now() - event.timeStamp), true);
  });
  await open('?q=*');
  await total(page, '*', 0);
  const seconds = LONG ? 30 : 6;
  const random = chance(7);
  const started = Date.now();
  let n = 0;
  let isPouring = true;
  const pouring = perch
    .stream(async function* () {
      for (; n < seconds * 500; n += 50) {
        await new Promise((resolve) => setTimeout(resolve, started + n * 2 - Date.now()));
        yield Array.from({ length: 50 }, (_, at) => lively(n + at, random, Date.now()));
      }
    })
    .finally(() => (isPouring = false));
  await page.getByRole('combobox', { name: 'Search' }).focus();
  let keys = 0;
  for (; isPouring; keys++) await page.keyboard.press(keys % 12 === 11 ? 'ControlOrMeta+a' : 'a');
  await pouring;
  const rate = Math.round(n / ((Date.now() - started) / 1000));
  await total(page, '*', n);
  await page.keyboard.press('Escape');
  await page.locator('.analysis .of', { hasText: `all ${new Intl.NumberFormat('en').format(n)} tweets` }).waitFor();
  const { delays, size, nodes } = await page.evaluate(() => ({
    // @ts-expect-error set above
    delays: /** @type {number[]} */ (globalThis.delays),
    size: Number(document.querySelector('.column')?.getAttribute('data-size')),
    nodes: document.querySelectorAll('*').length,
  }));
  const tools = await page.context().newCDPSession(page);
  await tools.send('HeapProfiler.collectGarbage');
  await tools.send('Performance.enable');
  const { metrics } = await tools.send('Performance.getMetrics');
  const heap = (metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Infinity) / 1e6;
  delays.sort((a, b) => a - b);
  const delay = (/** @type {number} */ share) => (delays[Math.floor(delays.length * share)] ?? NaN).toFixed(1);
  // How fast it is depends on the machine; that it is bounded does not.
  console.log(`${n} tweets at ${rate} a second: input delay ${delay(0.5)} ms (95th percentile ${delay(0.95)} ms, ${keys} keys), ${heap.toFixed(1)} MB of heap`);
  assert.ok(delays.length >= keys && keys > 5, `${delays.length} of ${keys} keys`);
  assert.equal(size, Math.min(n, 2000));
  assert.ok(nodes < 4000, `${nodes} nodes`);
  assert.ok(heap < 60, `${heap} MB`);
  // What is kept are the newest, each once.
  assert.deepEqual(
    (await exported(page)).map((tweet) => tweet.id_str),
    (await perch.search('*')).slice(0, size),
  );
});

live('real tweets, where there are some', async ({ perch, page, open }) => {
  const folder = process.env.PERCH_CORPUS ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));
  const path = join(folder, 'twitter-api-v1-search.json');
  if (existsSync(path)) await perch.postText(await readFile(path, 'utf8'));
  else await perch.post(...many(0, 100));
  await open('?q=*');
  const n = (await perch.search('*')).length;
  await total(page, '*', n);
  await page.waitForFunction((n) => document.querySelector('.column')?.getAttribute('data-size') === String(n), n);
  assert.equal((await exported(page)).length, n);
  await accessible(page, 'real tweets');
});
