// The start of the page in a real browser: searches at work, and where tweets come from.

import assert from 'node:assert/strict';
import { accessible, anotherBrowser, column, live, many, total } from './page.mjs';
import { tweet } from './support.mjs';

/** @param {import('playwright-core').Page} page @param {string} query */
const tileOf = (page, query) => page.locator('.tile', { has: page.getByRole('button', { name: query, exact: true }) });
/** @param {import('playwright-core').Page} page @param {string} query */
const numbers = (page, query) => tileOf(page, query).locator('.numbers b');

live('the start shows searches at work, and a click opens one', async ({ perch, page, open }) => {
  await perch.post(...many(0, 5, { text: 'coffee first' }), ...many(5, 7, { text: 'tea second' }), tweet(20, { text: 'water last' }));
  await open('');
  await numbers(page, '*').getByText('13', { exact: true }).waitFor();
  await numbers(page, 'coffee OR tea').getByText('12', { exact: true }).waitFor();
  const tile = tileOf(page, '*');
  await tile.getByText('water last').waitFor();
  await tile.locator('.spark').waitFor();
  await perch.post(tweet(30, { text: 'coffee again', created_at: new Date().toISOString() }));
  await numbers(page, '*').getByText('14', { exact: true }).waitFor();
  await tile.getByText('coffee again').waitFor();
  await accessible(page, 'tiles');
  // These tweets are not made up by the server.
  assert.equal(await page.getByText('Demo data').count(), 0);
  await tileOf(page, 'coffee OR tea').click();
  await total(page, 'coffee OR tea', 13);
  assert.equal(await page.locator('.tile').count(), 0);
  await column(page, 'coffee OR tea').locator('.heading .spark').waitFor({ state: 'attached' });
});

live(
  'made-up tweets are called so, and there is a way to others',
  async ({ page, open }) => {
    await open('');
    await page.getByText('Demo data:').waitFor();
    await page.getByRole('button', { name: 'Bring your own tweets' }).click();
    const sheet = page.getByRole('dialog', { name: 'Bring your own tweets' });
    for (const name of ['Files and archives', 'Bluesky, live', 'Mastodon, live']) await sheet.getByRole('heading', { name }).waitFor();
    await sheet.getByRole('button', { name: 'Copy: Bluesky, live' }).click();
    await sheet.getByText('Copied').waitFor();
    await accessible(page, 'sources');
  },
  { source: '[{type="demo",rate=5.0}]', dark: true, size: [360, 740], permissions: ['clipboard-write'] },
);

live('with a token that is asked for, the start waits for it', async ({ perch, page, open }) => {
  await perch.post(tweet(1));
  await open('', 'locked');
  await page.getByRole('dialog').getByLabel('Token').fill(perch.token({ sub: 'ann', exp: 4e9 }));
  await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
  await numbers(page, '*').getByText('1', { exact: true }).waitFor();
}, { set: ['auth.secret_file="secret"'] });

live(
  'the page speaks German where the browser does, and English for who wants it',
  async ({ perch, page }) => {
    await perch.post(...many(0, 1234));
    const other = await anotherBrowser(page, { locale: 'de-DE' });
    await other.goto(perch.url);
    await other.getByRole('heading', { name: 'Einer Suche live zusehen' }).waitFor();
    assert.equal(await other.locator('html').getAttribute('lang'), 'de');
    await accessible(other, 'German');
    await other.goto(`${perch.url}?q=tweet`);
    await other.locator('.total', { hasText: /^1\.234 Tweets$/ }).waitFor();
    // What is loaded later speaks it too.
    await other.getByRole('button', { name: 'Hilfe' }).click();
    await other.getByRole('dialog', { name: 'Wie man sucht' }).getByLabel('Sprache').selectOption('English');
    await other.locator('.total', { hasText: /^1,234 tweets$/ }).waitFor();
    await other.goto(perch.url);
    await other.getByRole('button', { name: 'Deutsch' }).click();
    await other.getByRole('heading', { name: 'Einer Suche live zusehen' }).waitFor();
    await other.context().close();
  },
);
