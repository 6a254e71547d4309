// The page in a real browser, on the real server: looks, keyboard, accessibility, size.

import assert from 'node:assert/strict';
import { accessible, column, live, many, total } from './page.mjs';
import { tweet } from './support.mjs';

live('nothing moves for who wants no motion', async ({ perch, page, open }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await perch.post(...many(0, 10));
  await open('?q=tweet&q=number');
  await total(page, 'tweet', 10);
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  const moving = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('*')].filter((element) => {
        const { animationName, transitionDuration } = getComputedStyle(element);
        return animationName !== 'none' || transitionDuration.split(',').some((duration) => parseFloat(duration) > 0);
      }).length,
    );
  assert.equal(await moving(), 0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  assert.ok((await moving()) > 0);
});

live('the focus goes through the page in its order, and is always seen', async ({ perch, page, open }) => {
  await perch.post(...many(0, 3));
  await open('?q=tweet&q=number');
  await total(page, 'number', 3);
  /** @type {string[]} */
  const stops = [];
  for (let n = 0; n < 30; n++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = /** @type {HTMLElement} */ (document.activeElement);
      if (element === document.body) return '';
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
      const around = element.closest('.field');
      const isSeen = (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2) || boxShadow !== 'none' || (around !== null && getComputedStyle(around).boxShadow !== 'none');
      const name = element.getAttribute('aria-label') ?? element.textContent?.trim().slice(0, 30) ?? '';
      return `${isSeen ? '' : 'UNSEEN '}${element.closest('.column')?.querySelector('.query')?.textContent ?? 'page'}: ${name}`;
    });
    if (!stop) break;
    stops.push(stop);
  }
  assert.deepEqual(stops.filter((stop) => stop.startsWith('UNSEEN')), []);
  assert.equal(stops[0], 'page: Skip to the tweets');
  const of = (/** @type {string} */ name) => stops.findIndex((stop) => stop.startsWith(name));
  const order = ['page: Search', 'page: Colors', 'page: Help', 'tweet: Move column', 'tweet: Edit this search', 'tweet: Close column', 'tweet: Order', 'tweet: Pause', 'tweet: Analysis', 'tweet: Settings', 'number: Move column'];
  const places = order.map((name) => of(name.replace('Edit this search', 'tweet')));
  assert.ok(places.every((place, at) => place >= 0 && (at === 0 || place > /** @type {number} */ (places[at - 1]))), `${places} of ${stops.join(' | ')}`);
  // What opens takes the focus, keeps it, and gives it back.
  await page.getByRole('button', { name: 'Help' }).focus();
  await page.keyboard.press('Enter');
  const inside = () => page.evaluate(() => document.activeElement?.closest('dialog') !== null);
  await page.getByRole('dialog').waitFor();
  for (let n = 0; n < 5; n++) {
    await page.keyboard.press('Tab');
    assert.ok(await inside());
  }
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Help');
});

live('the page is small, compressed, and asked for once', async ({ perch, page, open }) => {
  let bytes = 0;
  /** @type {string[]} */
  const plain = [];
  const paths = new Set();
  page.on('response', (response) => {
    if (response.status() !== 200 || !response.url().startsWith(perch.url)) return;
    const { pathname } = new URL(response.url());
    // What opens later is loaded later, and answers are no files.
    if (/^\/later\./.test(pathname) || pathname.startsWith('/api/')) return;
    paths.add(pathname);
    bytes += Number(response.headers()['content-length']);
    if (!response.headers()['etag'] || response.headers()['content-encoding'] !== (pathname === '/icon.svg' ? 'gzip' : 'br')) plain.push(response.url());
  });
  await open('?q=tweet&q=rust');
  await page.waitForLoadState('networkidle');
  assert.deepEqual(plain, []);
  // What no chart is drawn with is not there yet.
  assert.deepEqual([...paths].toSorted(), ['/', '/app.js', '/chunk.js', '/icon.svg', '/start.js', '/style.css']);
  assert.ok(bytes > 20_000 && bytes < 48_000, `${bytes} bytes`);
  for (const path of paths) {
    const first = await fetch(new URL(path, perch.url));
    const again = await fetch(new URL(path, perch.url), { headers: { 'if-none-match': first.headers.get('etag') ?? '' } });
    assert.equal(again.status, 304, path);
  }
});

live(
  'every state is accessible in the dark, too',
  async ({ perch, page, open }) => {
    await perch.post(...many(0, 60), tweet(70, { text: 'RT @ann: tweet', retweeted_status: tweet(3), entities: { hashtags: [{ text: 'x' }] }, retweet_count: 3, favorite_count: 2 }));
    await open('');
    await accessible(page, 'start');
    await open('?q=nothing');
    await page.getByText('No tweet matches yet').waitFor();
    await accessible(page, 'empty');
    await page.getByRole('combobox', { name: 'Search' }).fill('');
    await page.locator('.keep').waitFor();
    await accessible(page, 'searches');
    await page.getByRole('combobox', { name: 'Search' }).fill('nothing (');
    await page.locator('.mistake').waitFor();
    await accessible(page, 'mistake');
    await open(`?q=tweet&q=${encodeURIComponent('(')}`);
    await page.locator('.notice.bad').waitFor();
    await total(page, 'tweet', 61);
    await accessible(page, 'columns, and one that failed');
    await page.locator('.menu summary').first().click();
    await accessible(page, 'settings');
    await page.keyboard.press('Escape');
    await page.locator('.age').first().click();
    await page.getByRole('dialog').waitFor();
    await accessible(page, 'JSON');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Analysis' }).first().click();
    await page.locator('.analysis .of', { hasText: 'all 61' }).waitFor();
    await accessible(page, 'analysis');
    await page.keyboard.press('p');
    await perch.post(tweet(80));
    await page.getByRole('button', { name: 'Show 1 new tweet' }).waitFor();
    await accessible(page, 'paused');
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await accessible(page, 'help');
    await page.keyboard.press('Escape');
    await perch.kill();
    await page.getByText('The connection is lost').waitFor();
    await accessible(page, 'lost');
  },
  { dark: true },
);

live(
  'on a phone',
  async ({ perch, page, open }) => {
    await perch.post(...many(0, 30), tweet(40, { text: `wide${'w'.repeat(300)} rust tweet` }));
    await open('?q=tweet&q=rust');
    await total(page, 'tweet', 31);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360));
    const widths = await page.locator('.column').evaluateAll((columns) => columns.map((column) => column.getBoundingClientRect().width));
    assert.deepEqual(widths, [360, 360]);
    for (const name of ['Pause', 'Analysis', 'Close column']) assert.ok(await page.getByRole('button', { name }).first().isVisible(), name);
    await accessible(page, 'phone');
    await page.getByRole('button', { name: 'Analysis' }).first().click();
    await page.getByRole('complementary', { name: 'Analysis' }).waitFor();
    await accessible(page, 'phone, analysis');
  },
  { size: [360, 740] },
);

live(
  'dark by the system and light by hand',
  async ({ perch, page, open }) => {
    await perch.post(...many(0, 10));
    await open('?q=tweet');
    await total(page, 'tweet', 10);
    const lightness = (/** @type {number} */ from, /** @type {number} */ to) =>
      page.waitForFunction(
        ([from, to]) => {
          const red = Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)?.[0]);
          return red >= /** @type {number} */ (from) && red <= /** @type {number} */ (to);
        },
        [from, to],
      );
    await lightness(0, 60);
    await accessible(page, 'dark');
    await page.getByRole('button', { name: 'Colors: as the system' }).click();
    await lightness(200, 255);
    await page.reload();
    await page.locator('.column').waitFor();
    await lightness(200, 255);
  },
  { dark: true },
);

live('with the keyboard only', async ({ perch, page, open }) => {
  await perch.post(...many(0, 10));
  await open('');
  await accessible(page, 'start');
  await page.keyboard.press('/');
  await page.keyboard.type('tweet');
  await page.keyboard.press('Enter');
  await total(page, 'tweet', 10);
  await accessible(page, 'live');
  const focused = () => page.evaluate(() => document.activeElement?.querySelector('.text')?.textContent);
  await page.locator('.tweet').nth(9).waitFor();
  await page.keyboard.press('j');
  assert.equal(await focused(), 'tweet number 9');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  assert.equal(await focused(), 'tweet number 8');
  await page.locator('.state.paused').waitFor();
  await page.keyboard.press('t');
  await page.locator('.state.live').waitFor();
  await page.keyboard.press('p');
  await page.locator('.state.paused').waitFor();
  await page.keyboard.press('p');
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'How to search' });
  await help.waitFor();
  await accessible(page, 'help');
  await page.keyboard.press('Escape');
  await help.waitFor({ state: 'detached' });
  await page.keyboard.press('a');
  await page.getByRole('complementary', { name: 'Analysis' }).waitFor({ state: 'detached' });
  await page.keyboard.press('?');
  await help.getByRole('button', { name: 'Try *', exact: true }).focus();
  await page.keyboard.press('Enter');
  await column(page, '*').waitFor();
  await total(page, '*', 10);
});
