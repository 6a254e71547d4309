// The page in a real browser, on the real server: what a search is about.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { accessible, column, live, many, total } from './page.mjs';
import { tweet } from './support.mjs';

live('analysis: words, trends and bars, and a click adds to the search', async ({ perch, page, open }) => {
  const now = Date.now();
  await perch.post(
    ...Array.from({ length: 60 }, (_, n) =>
      tweet(n, {
        text: `pelican ${n % 2 ? 'feather #birds' : 'beak #sea'} ${n > 40 ? 'storm' : 'calm'}`,
        created_at: new Date(now - (60 - n) * 60_000).toISOString(),
        lang: n % 3 ? 'en' : 'de',
        user: { screen_name: n % 4 ? 'ann' : 'bob' },
      }),
    ),
  );
  await open('?q=pelican');
  const panel = page.getByRole('complementary', { name: 'Analysis' });
  await panel.getByText('all 60 tweets').waitFor();
  const rows = await panel.locator('.bars li').allTextContents();
  for (const expected of ['feather', '#birds', '@ann', 'English']) assert.ok(rows.some((row) => row.includes(expected)), `${expected} in ${rows}`);
  const storm = panel.locator('.bars li', { hasText: 'storm' });
  // Once the terms of the tweets have come.
  await storm.filter({ hasText: 'rising over all' }).waitFor();
  assert.match((await panel.locator('.plot').getAttribute('aria-label')) ?? '', /^60 tweets from/);
  await panel.locator('.word', { hasText: 'feather' }).click();
  await column(page, 'pelican feather').waitFor();
  await page.goBack();
  await panel.getByText('all 60 tweets').waitFor();
  for (const format of ['SVG', 'PNG']) {
    const [download] = await Promise.all([page.waitForEvent('download'), panel.getByRole('button', { name: `Save as ${format}` }).first().click()]);
    const bytes = await readFile(await download.path());
    assert.ok(format === 'SVG' ? String(bytes).startsWith('<svg') : bytes.subarray(1, 4).toString() === 'PNG');
  }
  await accessible(page, 'analysis');
  await storm.getByRole('button').click();
  await column(page, 'pelican storm').waitFor();
  await total(page, 'pelican storm', 19);
});

live('tweets over time are all tweets, loaded or not, and live ones', async ({ perch, page, open }) => {
  await perch.post(...many(0, 900));
  await open('?q=tweet');
  const scope = page.locator('.analysis .of');
  await scope.filter({ hasText: /^all 900 tweets,/ }).waitFor();
  await perch.post(...many(1000, 25));
  await scope.filter({ hasText: /^all 925 tweets,/ }).waitFor();
  await page.locator('.plot[aria-label^="925 tweets from"]').waitFor();
});

live('the analysis counts what a search for each term finds, history and live', async ({ perch, page, open }) => {
  const odd = ['Café CAFÉ cafe', 'ünïcode straße', 'don’t stop', 'see https://t.co/pelican &lt;feather&gt; &amp; feather', 'naïve #Größe @Ünter', 'ﬁne ＷＩＤＥ wide'];
  const words = ['pelican', 'feather', 'beak', 'storm', 'wave', 'harbor', 'gull'];
  const made = (/** @type {number} */ n) =>
    tweet(n, {
      text: `pelican ${words[n % 7]} ${words[(n * n) % 5]} ${odd[n % odd.length]} #${words[(n * 3) % 7]} @user${n % 5}`,
      lang: ['en', 'de', 'EN', 'ja'][n % 4],
      user: { screen_name: ['Ann', 'ann', 'Bob', 'Carla'][(n * n) % 4] },
    });
  await perch.post(...Array.from({ length: 700 }, (_, n) => made(n)));
  let n = 700;
  let isOpen = false;
  const pouring = (async () => {
    for (let after = 0; after < 6; after += isOpen ? 1 : 0, n += 20) await perch.post(...Array.from({ length: 20 }, (_, at) => made(n + at)));
  })();
  await open('?q=pelican');
  const panel = page.getByRole('complementary', { name: 'Analysis' });
  await panel.locator('.of', { hasText: 'all' }).waitFor();
  isOpen = true;
  await pouring;
  await panel.locator('.of', { hasText: `all ${n} tweets` }).waitFor();
  const shownCounts = () =>
    panel.locator('.bars li').evaluateAll((rows) =>
      rows.map((row) => [/** @type {HTMLElement} */ (row.querySelector('button')).dataset.term ?? '', Number(row.querySelector('.n')?.textContent?.replace(/\D/g, ''))]),
    );
  const counts = await shownCounts();
  assert.ok(counts.length > 15 && !counts.some(([term]) => term === 'pelican'), `${counts}`);
  for (const [term, count] of counts) assert.equal(count, (await perch.search(`pelican ${term}`)).length, String(term));
  for (const term of ['#feather', '#grosse', 'from:ann', 'lang:en']) assert.ok(counts.some(([shown]) => shown === term), `${term} in ${counts}`);
  // How it is spelled, not how it is compared.
  await panel.locator('.bars li', { hasText: /größe|straße|café|ünïcode|naïve/ }).first().waitFor();
  await panel.locator('.bars li', { hasText: '#Größe' }).waitFor();
});

live('one tweet of long ago does not hide the others, and hovering moves nothing', async ({ perch, page, open }) => {
  const now = Date.now();
  const lately = (/** @type {number} */ n) => tweet(n, { text: `coffee ${n % 2 ? 'roast' : 'press'} filter${n}`, created_at: new Date(now - n * 1000).toISOString() });
  await perch.post(tweet(500, { text: 'coffee of old', created_at: new Date(now - 12 * 365.25 * 86_400_000).toISOString() }), ...Array.from({ length: 40 }, (_, n) => lately(n)));
  await open('?q=coffee+OR+tea');
  const panel = page.getByRole('complementary', { name: 'Analysis' });
  await panel.locator('.of', { hasText: /all 41 tweets, counted \d/ }).waitFor();
  // The times of the axis are said with their zone, and what is left out is said.
  await panel.getByText(/bars of 1 sec, times in UTC, 1 much earlier tweet left out/).waitFor();
  const plot = panel.locator('.plot');
  await plot.locator('canvas').waitFor();
  const drawn = () =>
    plot.locator('canvas').evaluate((canvas) => {
      const { width, height } = /** @type {HTMLCanvasElement} */ (canvas);
      const pixels = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (canvas).getContext('2d')).getImageData(0, 0, width, height - 40).data;
      let n = 0;
      for (let at = 3; at < pixels.length; at += 4) if (/** @type {number} */ (pixels[at]) > 200) n++;
      return n / (width * height);
    });
  await page.waitForFunction(() => document.querySelector('.plot canvas') !== null);
  assert.ok((await drawn()) > 0.02, 'bars are drawn');
  const before = await plot.boundingBox();
  const { x = 0, y = 0 } = before ?? {};
  await page.mouse.move(x + 200, y + 60);
  await panel.locator('.legend', { hasText: / \d{4}.*: \d/ }).waitFor();
  assert.deepEqual(await plot.boundingBox(), before);
  // What was searched for is no finding, and a word that is there once goes nowhere.
  await panel.locator('.bars button[data-term="roast"]').waitFor();
  assert.equal(await panel.locator('.bars button[data-term="coffee"]').count(), 0);
  assert.equal(await panel.locator('.word', { hasText: /^coffee$/ }).count(), 0);
  await accessible(page, 'analysis with an old tweet');
  await perch.post(tweet(600, { text: 'tea once', created_at: new Date(now).toISOString() }));
  const rows = panel.locator('.bars li', { has: page.locator('.trends') });
  await rows.first().waitFor();
  for (const count of await rows.locator('.n').allTextContents()) assert.ok(Number(count) >= 5, `a trend of ${count}`);
});

live('a slow search says how slow it is', async ({ perch, page, open }) => {
  const now = Date.now();
  await perch.post(...Array.from({ length: 40 }, (_, n) => tweet(n, { created_at: new Date(now - (40 - n) * 10_000).toISOString() })));
  await open('?q=tweet');
  await page.locator('.column .rate', { hasText: /^[56]\/min$/ }).waitFor();
  await page.locator('.stats', { hasText: /[56]\/min come in/ }).waitFor();
});

live('a word that comes up late is counted from its beginning', async ({ perch, page, open }) => {
  // More words than the server is asked for; one of them once.
  const words = (/** @type {number} */ n) => tweet(n, { text: `base aa${n % 600} bb${n % 600}` });
  await perch.post(...Array.from({ length: 1200 }, (_, n) => words(n)), tweet(1200, { text: 'base late' }));
  await open('?q=base');
  const panel = page.getByRole('complementary', { name: 'Analysis' });
  await panel.locator('.of', { hasText: 'all 1,201 tweets' }).waitFor();
  assert.equal(await panel.locator('.bars button[data-term="late"]').count(), 0);
  await perch.post(...Array.from({ length: 6 }, (_, n) => tweet(1300 + n, { text: 'base late' })));
  await panel.locator('.bars li', { hasText: 'late' }).locator('.n', { hasText: /^7$/ }).waitFor();
});

live('the page marks what the server explains', async ({ page, open }) => {
  // The server's tests read the same file.
  const cases = JSON.parse(await readFile(new URL('marks.json', import.meta.url), 'utf8'));
  // The sources, which the server does not send.
  await page.route('**/lib/*.js', async (route) => {
    const name = new URL(route.request().url()).pathname.split('/').at(-1);
    await route.fulfill({ contentType: 'text/javascript', body: await readFile(new URL(`../lib/${name}`, import.meta.url)) });
  });
  await open('');
  const found = await page.evaluate(async (cases) => {
    const [{ Analyzer }, { Connection }, { Marks }, { segments }] = await Promise.all([
      import('/lib/analyzer.js'),
      import('/lib/connection.js'),
      import('/lib/marks.js'),
      import('/lib/text.js'),
    ]);
    const connection = new Connection({ open: () => /** @type {any} */ (new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')))) });
    connection.connect();
    await connection.whenOpen();
    const analyzer = new Analyzer(connection);
    const marked = [];
    for (const [query, text] of cases) {
      const marks = new Marks(query);
      await analyzer.load([text, ...marks.texts]);
      const termsOf = (/** @type {string} */ text) => analyzer.known(text) ?? [];
      marked.push(segments(text, [], marks.in(termsOf(text), termsOf)).filter((part) => part.marked).map((part) => part.text));
    }
    connection.close();
    return marked;
  }, cases);
  for (const [at, [query, text, expected]] of cases.entries()) assert.deepEqual(found[at], expected, `${query} over ${text}`);
});
