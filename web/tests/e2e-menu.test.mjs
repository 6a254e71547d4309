// The settings of a column and the keys, in a real browser, on the real server.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { accessible, anotherBrowser, column, live, many, shown, texts, total } from './page.mjs';
import { tweet } from './support.mjs';

/** @param {import('playwright-core').Page} page */
async function menu(page) {
  await page.locator('.menu summary').first().click();
  const panel = page.locator('.panel');
  await panel.waitFor();
  return panel;
}

live('filters are a part of the search, and go again', async ({ perch, page, open }) => {
  await perch.post(...many(0, 4, { text: 'bird' }), ...many(4, 3, { text: 'bird', lang: 'de', user: { followers_count: 5000 } }), ...many(7, 2, { text: 'bird', lang: 'de', favorite_count: 12 }));
  await open('?q=bird');
  await total(page, 'bird', 9);
  let panel = await menu(page);
  await panel.getByLabel('Language').selectOption('German');
  await panel.getByLabel('Followers of the author').selectOption('at least 1,000');
  await panel.getByText('bird lang:de followers:>=1000').waitFor();
  await accessible(page, 'filters');
  await panel.getByRole('button', { name: 'Apply' }).click();
  await total(page, 'bird lang:de followers:>=1000', 3);
  assert.deepEqual(new URL(page.url()).searchParams.getAll('q'), ['bird lang:de followers:>=1000']);
  panel = await menu(page);
  assert.equal(await panel.getByLabel('Language').inputValue(), 'de');
  await panel.getByLabel('Followers of the author').selectOption('any');
  await panel.getByLabel('Likes').selectOption('at least 10');
  await panel.getByRole('button', { name: 'Apply' }).click();
  await total(page, 'bird lang:de likes:>=10', 2);
  await page.goBack();
  await total(page, 'bird lang:de followers:>=1000', 3);
});

live('width, density and muted words are remembered, and hide nothing from the count', async ({ perch, page, open }) => {
  await perch.post(...many(0, 3), tweet(5, { text: 'tweet with a spoiler' }), tweet(6, { text: 'tweet by noise', user: { screen_name: 'noisy' } }));
  await open('?q=tweet');
  await total(page, 'tweet', 5);
  await shown(page, 'spoiler');
  const panel = await menu(page);
  await panel.getByLabel('Width').selectOption('wide');
  await panel.getByLabel('Density').selectOption('compact');
  await panel.getByLabel('Muted words').fill('Spoiler, @noisy');
  await panel.getByLabel('Muted words').press('Enter');
  await page.locator('.tweet', { hasText: 'spoiler' }).waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  assert.deepEqual(await texts(page), ['tweet number 2', 'tweet number 1', 'tweet number 0']);
  await perch.post(tweet(7, { text: 'tweet, another spoiler' }), tweet(8));
  await total(page, 'tweet', 7);
  await shown(page, 'tweet number 8');
  await accessible(page, 'compact');
  await page.reload();
  await total(page, 'tweet', 7);
  assert.deepEqual((await texts(page))[0], 'tweet number 8');
  assert.equal((await texts(page)).length, 4);
  assert.ok(await page.locator('.column.wide.compact').isVisible());
});

live('a tone is heard when a tweet comes, once for many', async ({ perch, page, open }) => {
  await page.addInitScript(() => {
    const tones = /** @type {any} */ (globalThis).tones = { n: 0 };
    const parameter = { setValueAtTime() {}, exponentialRampToValueAtTime() {} };
    const node = { connect: (/** @type {any} */ to) => to, frequency: parameter, gain: parameter, start: () => tones.n++, stop() {} };
    Object.assign(globalThis, { AudioContext: class { currentTime = 0; destination = node; resume = async () => {}; createOscillator = () => node; createGain = () => node; } });
  });
  const tones = () => page.evaluate(() => /** @type {any} */ (globalThis).tones.n);
  await open('?q=tweet');
  await total(page, 'tweet', 0);
  await perch.post(tweet(1));
  await total(page, 'tweet', 1);
  assert.equal(await tones(), 0);
  await (await menu(page)).getByLabel('A tone').check();
  await page.keyboard.press('Escape');
  await perch.post(...many(2, 10));
  await total(page, 'tweet', 11);
  assert.equal(await tones(), 1);
});

live('everything that is found is exported, more than is loaded', async ({ perch, page, open }) => {
  await perch.post(...many(0, 250));
  await page.addInitScript(() => localStorage.setItem('perch', JSON.stringify({ settings: { tweet: { history: 100 } } })));
  await open('?q=tweet');
  await total(page, 'tweet', 250);
  const lines = async (/** @type {string} */ name) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name, exact: true }).click()]);
    return (await readFile(await download.path(), 'utf8')).trim().split('\n');
  };
  await menu(page);
  const all = await lines('Everything that is found: NDJSON');
  assert.deepEqual([all.length, JSON.parse(all[0] ?? '').text, JSON.parse(all[249] ?? '').text], [250, 'tweet number 249', 'tweet number 0']);
  assert.equal((await lines('Everything that is found: CSV')).length, 251);
  assert.equal((await lines('NDJSON')).length, 100);
  // The page is still there.
  await total(page, 'tweet', 250);
});

live('keys go to columns, open, close and bring back', async ({ perch, page, open }) => {
  await perch.post(...many(0, 3));
  await open('?q=tweet&q=number&q=nothing');
  await total(page, 'number', 3);
  const active = async () => page.locator('.column.active .query').textContent();
  await page.keyboard.press('2');
  assert.equal(await active(), 'number');
  await page.keyboard.press('9');
  assert.equal(await active(), 'number');
  await page.keyboard.press('x');
  await column(page, 'number').waitFor({ state: 'detached' });
  const undo = page.locator('.undo');
  await undo.getByText('Closed: number').waitFor();
  await accessible(page, 'closed');
  await page.keyboard.press('z');
  await total(page, 'number', 3);
  assert.deepEqual(await page.locator('.column .query').allTextContents(), ['tweet', 'number', 'nothing']);
  assert.equal(await active(), 'number');
  await column(page, 'tweet').getByRole('button', { name: 'Close column' }).click();
  await undo.getByRole('button', { name: 'Undo' }).click();
  await total(page, 'tweet', 3);
  assert.deepEqual(new URL(page.url()).searchParams.getAll('q'), ['tweet', 'number', 'nothing']);
  // What is typed after n goes into a column of its own; who leaves the field has the search back.
  await page.locator('.scroller').first().focus();
  await page.keyboard.press('n');
  const field = page.getByRole('combobox', { name: 'Search' });
  assert.equal(await field.inputValue(), '');
  await page.keyboard.press('Escape');
  await page.locator('.scroller').first().focus();
  assert.equal(await field.inputValue(), 'tweet');
  await page.keyboard.press('n');
  await page.keyboard.type('more');
  await page.keyboard.press('Enter');
  await total(page, 'more', 0);
  assert.deepEqual(await page.locator('.column .query').allTextContents(), ['tweet', 'number', 'nothing', 'more']);
});

live(
  'a link has all columns and their orders',
  async ({ perch, page, open }) => {
    await perch.post(...many(0, 3));
    await open('?q=tweet&q=number');
    await total(page, 'number', 3);
    await column(page, 'number').getByRole('combobox', { name: 'Order' }).selectOption('followers');
    await page.getByRole('button', { name: 'Copy a link to these columns' }).click();
    await page.getByRole('button', { name: 'Link copied' }).waitFor();
    await accessible(page, 'shared');
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const other = await anotherBrowser(page);
    await other.goto(link);
    await total(other, 'number', 3);
    assert.deepEqual(await other.locator('.column .query').allTextContents(), ['tweet', 'number']);
    assert.equal(await column(other, 'number').getByRole('combobox', { name: 'Order' }).inputValue(), 'followers');
    await other.context().close();
  },
  { permissions: ['clipboard-read', 'clipboard-write'] },
);
