// Tweets as people know them, and how they are reached: pictures, videos, quotes, links, keys,
// fingers.

import assert from 'node:assert/strict';
import { accessible, anotherBrowser, column, live, many, shown, texts, total } from './page.mjs';
import { tweet } from './support.mjs';

/** @param {number} n @param {string} [type] */
const media = (n, type = 'photo') =>
  Array.from({ length: n }, (_, at) => ({ type, url: `https://t.co/${at}`, media_url_https: `https://pictures.test/${at}.svg`, ext_alt_text: `heron ${at}`, display_url: 'pic', indices: [0, 0] }));

/** Pictures come from the test. @param {import('playwright-core').Page} page */
const pictures = (page) =>
  page.route('https://pictures.test/**', (route) => route.fulfill({ contentType: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"/>' }));

live('all pictures, videos and quoted tweets are drawn, and lead to where they were written', async ({ perch, page, open }) => {
  await pictures(page);
  const video = { ...media(1, 'video')[0], expanded_url: 'https://birds.test/heron.mp4' };
  await perch.post(
    tweet(1, { text: 'rust four', entities: { media: media(1) }, extended_entities: { media: media(4) }, url: 'https://birds.test/@ann/1' }),
    tweet(2, { text: 'rust video', extended_entities: { media: [video] } }),
    tweet(3, { text: 'rust quotes', is_quote_status: true, quoted_status: tweet(50, { text: 'what was said #birds', user: { name: 'Quoted', screen_name: 'quo' } }) }),
  );
  await open('?q=rust');
  const of = (/** @type {string} */ text) => page.locator('.tweet', { hasText: text });
  assert.equal(await of('rust four').locator('.media img').count(), 4);
  assert.deepEqual(await of('rust four').locator('.media img').evaluateAll((images) => images.map((image) => image.getAttribute('alt'))), ['heron 0', 'heron 1', 'heron 2', 'heron 3']);
  assert.equal(await of('rust video').locator('.image.video').getAttribute('href'), 'https://birds.test/heron.mp4');
  assert.ok(await of('rust video').locator('.play').isVisible());
  const quoted = of('rust quotes').locator('.quoted');
  assert.match((await quoted.textContent()) ?? '', /Quoted.*@quo.*what was said/);
  assert.equal(await of('rust four').locator('a.out').getAttribute('href'), 'https://birds.test/@ann/1');
  assert.equal(await of('rust four').locator('a.name').getAttribute('href'), 'https://birds.test/@ann');
  assert.match((await of('rust video').locator('a.out').getAttribute('href')) ?? '', /^https:\/\/x\.com\/ann\/status\/\d+$/);
  await accessible(page, 'cards');
  await quoted.getByRole('link', { name: '#birds' }).click();
  await column(page, '#birds').waitFor();
});

live(
  'the pictures of the demo are drawn, and nobody is asked for them',
  async ({ page, open }) => {
    /** @type {string[]} */
    const asked = [];
    page.on('request', (request) => /example\.(com|org|net)/.test(request.url()) && asked.push(request.url()));
    await open('?q=has:images');
    await page.locator('.landscape').first().waitFor();
    await accessible(page, 'demo');
    assert.deepEqual(asked, []);
  },
  { source: '[{type="demo"}]' },
);

live('a tweet that many repeat is there once, with their number; retweets can be hidden', async ({ perch, page, open }) => {
  const original = tweet(1, { text: 'rust original' });
  const again = (/** @type {number} */ n) => tweet(n, { text: 'RT @ann: rust original', retweeted_status: original });
  await perch.post(original, tweet(2, { text: 'rust other' }), again(3), again(4), again(5));
  await open('?q=rust');
  await total(page, 'rust', 5);
  await page.locator('.tweet').nth(1).waitFor();
  assert.deepEqual(await texts(page), ['rust original', 'rust other']);
  await page.locator('.tweet', { hasText: '3 retweets live' }).waitFor();
  const choose = async (/** @type {string} */ way) => {
    await page.locator('.menu summary').click();
    await page.locator('.panel').getByLabel('Retweets').selectOption(way);
    await page.keyboard.press('Escape');
  };
  await choose('each');
  await page.locator('.tweet').nth(4).waitFor();
  await choose('hide');
  await page.locator('.tweet').nth(2).waitFor({ state: 'detached' });
  assert.deepEqual(await texts(page), ['rust other', 'rust original']);
  await page.reload();
  await page.locator('.tweet').nth(1).waitFor();
  assert.equal(await page.locator('.tweet .context').count(), 0, 'it is remembered');
});

live('a tweet is one stop of the Tab key, Enter goes into it and Escape comes back', async ({ perch, page, open }) => {
  await perch.post(...many(0, 5, { text: 'rust #birds @ferris https://example.org/a', url: 'https://birds.test/@ann/1' }));
  await open('?q=rust');
  await page.locator('.tweet').nth(4).waitFor();
  await page.locator('.scroller').focus();
  const at = () => page.evaluate(() => [document.activeElement?.className, [...document.querySelectorAll('.tweet')].findIndex((tweet) => tweet.contains(document.activeElement))]);
  await page.keyboard.press('Tab');
  assert.deepEqual(await at(), ['tweet', 0]);
  await page.keyboard.press('Tab');
  assert.deepEqual(await at(), ['tweet', 1]);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.matches('.tweet a'));
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal((await at())[1], 1, 'still in it');
  await page.keyboard.press('Escape');
  assert.deepEqual(await at(), ['tweet', 1]);
  await page.keyboard.press('Tab');
  assert.deepEqual(await at(), ['tweet', 2]);
});

live('saved searches are offered before anything is typed, and what is typed finds them', async ({ page, open }) => {
  await page.addInitScript(() => localStorage.setItem('perch', JSON.stringify({ saved: ['coffee OR tea', 'lang:de'] })));
  await open('?q=rust');
  const field = page.getByRole('combobox', { name: 'Search' });
  await field.click();
  await page.getByRole('button', { name: 'coffee OR tea' }).waitFor();
  await page.getByRole('button', { name: 'lang:de' }).waitFor();
  await field.fill('coff');
  await page.getByRole('button', { name: 'lang:de' }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'coffee OR tea' }).waitFor();
  await page.keyboard.press('Escape');
  if (await page.locator('.below').isVisible()) await page.keyboard.press('Escape');
  assert.ok(!(await page.locator('.below').isVisible()));
});

live('a new column is seen, and a narrow one says its count, its rate and its whole query', async ({ perch, page, open }) => {
  const now = Date.now();
  await perch.post(...Array.from({ length: 40 }, (_, n) => tweet(n, { created_at: new Date(now - (40 - n) * 10_000).toISOString() })));
  await open('?q=tweet&q=number&q=ann&q=lang:en');
  await total(page, 'tweet', 40);
  const query = 'tweet OR something OR other OR "a long phrase"';
  await page.getByRole('combobox', { name: 'Search' }).fill(query);
  await page.keyboard.press('Shift+Enter');
  await total(page, query, 40);
  const inView = (/** @type {import('playwright-core').Locator} */ locator) =>
    locator.evaluate((element) => {
      const { left, right } = element.getBoundingClientRect();
      return left >= 0 && right <= innerWidth;
    });
  assert.ok(await inView(column(page, query)), 'it was scrolled to');
  for (const part of ['.total', '.rate', '.close', '.query'])
    assert.ok(
      await column(page, query).locator(part).evaluate((element) => {
        const { width, height } = element.getBoundingClientRect();
        const facts = element.closest('.facts')?.getBoundingClientRect();
        const { top, bottom } = element.getBoundingClientRect();
        return width > 0 && height > 0 && (!facts || (top >= facts.top - 1 && bottom <= facts.bottom + 1));
      }),
      part,
    );
  assert.ok(((await column(page, query).locator('.query').boundingBox())?.width ?? 0) > 200, 'the title has the width of the column');
  assert.match((await column(page, query).locator('.query').getAttribute('title')) ?? '', /a long phrase/);
});

live('a dragged column is marked where it will be', async ({ page, open }) => {
  await open('?q=one&q=two&q=three');
  await total(page, 'three', 0);
  const grip = /** @type {{x: number, y: number}} */ (await column(page, 'one').locator('.grip').boundingBox());
  const target = /** @type {{x: number, y: number, width: number}} */ (await column(page, 'two').boundingBox());
  await page.mouse.move(grip.x + 8, grip.y + 8);
  await page.mouse.down();
  await page.mouse.move(target.x + 60, target.y + 200, { steps: 4 });
  await page.mouse.move(target.x + 64, target.y + 204);
  await page.locator('.column.drop-after', { hasText: 'two' }).waitFor();
  await page.mouse.up();
  await page.waitForFunction(() => [...document.querySelectorAll('.query')].map((query) => query.textContent?.trim()).join() === 'two,one,three');
  assert.equal(await page.locator('.drop-after, .drop-before').count(), 0);
});

live('with a finger: columns by name and by swipe, and a word narrows the search', async ({ perch, page, open }) => {
  await perch.post(...many(0, 3, { text: 'rust #birds' }));
  await open('');
  const phone = await anotherBrowser(page, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  try {
    await phone.goto(`${perch.url}?q=rust&q=lang:en&q=number`);
    await phone.locator('.connection[data-state="open"]').waitFor();
    await shown(phone, 'rust #birds');
    await accessible(phone, 'phone with columns');
    const strip = phone.getByRole('navigation', { name: 'Columns' });
    await strip.getByRole('button', { name: 'lang:en' }).tap();
    await phone.waitForFunction(() => document.querySelector('.columns')?.scrollLeft === 360);
    assert.equal(await strip.locator('[aria-current]').textContent(), 'lang:en');
    await phone.locator('.columns').evaluate((element) => element.scrollTo({ left: 0 }));
    await strip.locator('[aria-current]', { hasText: 'rust' }).waitFor();
    await column(phone, 'rust').getByRole('link', { name: '#birds' }).first().tap();
    await accessible(phone, 'choice');
    await phone.getByRole('button', { name: 'Add it to this search' }).tap();
    await column(phone, 'rust #birds').waitFor();
    await column(phone, 'rust #birds').locator('.screen').first().tap();
    await phone.getByRole('button', { name: 'Leave it out of this search' }).tap();
    await column(phone, 'rust #birds -from:ann').waitFor();
    await total(phone, 'rust #birds -from:ann', 0);
    // What lies over the columns closes with Escape.
    await phone.getByRole('button', { name: 'Analysis' }).first().tap();
    await phone.getByRole('complementary', { name: 'Analysis' }).waitFor();
    await phone.keyboard.press('Escape');
    await phone.getByRole('complementary', { name: 'Analysis' }).waitFor({ state: 'detached' });
  } finally {
    await phone.context().close();
  }
});

live('a picture that is warned of is not loaded before one asks, and a poll shows its options', async ({ perch, page, open }) => {
  /** @type {string[]} */
  const asked = [];
  page.on('request', (request) => request.url().startsWith('https://pictures.test/') && asked.push(request.url()));
  await pictures(page);
  await perch.post(
    tweet(1, { text: 'rust warned', possibly_sensitive: true, extended_entities: { media: media(2) } }),
    tweet(2, { text: 'rust asks', poll_options: ['crab', '<b>lobster</b>'] }),
  );
  await open('?q=rust');
  await shown(page, 'rust warned');
  const cover = page.getByRole('button', { name: 'Sensitive content: show 2 pictures' });
  await cover.waitFor();
  assert.deepEqual(await page.getByRole('list', { name: 'Poll' }).locator('li').allTextContents(), ['crab', '<b>lobster</b>']);
  await accessible(page, 'covered');
  assert.deepEqual(asked, []);
  await cover.click();
  await page.locator('.media img').nth(1).waitFor();
  await accessible(page, 'shown');
});
