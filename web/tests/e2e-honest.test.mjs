// The page says what is, also when something is not: no connection, no clipboard, no permission, no
// such query.

import assert from 'node:assert/strict';
import { accessible, column, live, many, total } from './page.mjs';

live('a column is not live while the server is down, and a search that is made then says that it waits', async ({ perch, page, open }) => {
  await perch.post(...many(0, 3));
  await open('?q=tweet');
  await total(page, 'tweet', 3);
  await page.locator('.state.live').waitFor();
  await perch.kill();
  await page.locator('.column .state.lost', { hasText: 'Not connected' }).waitFor();
  assert.equal(await page.locator('.column .state.live').count(), 0);
  await page.getByRole('combobox', { name: 'Search' }).fill('number');
  await page.keyboard.press('Shift+Enter');
  const other = column(page, 'number');
  await other.getByText('Not connected yet').waitFor();
  await accessible(page, 'a search without a connection');
  await perch.again();
  await total(page, 'number', 3);
  await other.locator('.state.live').waitFor();
});

live('copied is what was copied', async ({ perch, page, open }) => {
  await page.addInitScript(() => {
    // As on a page that is not secure: there is no clipboard, and the old way is what the test
    // says.
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
    Object.assign(globalThis, { isCopied: false });
    document.execCommand = () => /** @type {any} */ (globalThis).isCopied;
  });
  await perch.post(...many(0, 1));
  await open('?q=tweet');
  await page.locator('.age').click();
  await page.getByRole('button', { name: 'Copy', exact: true }).click();
  await page.getByRole('button', { name: 'Not copied: it is selected, copy it by hand' }).waitFor();
  assert.match(await page.evaluate(() => String(getSelection())), /"id_str"/);
  await accessible(page, 'not copied');
  await page.evaluate(() => Object.assign(globalThis, { isCopied: true }));
  await page.getByRole('button', { name: 'Not copied' }).click();
  await page.getByRole('button', { name: 'Copied', exact: true }).waitFor();
});

live('notifications that are denied say so where they were asked for', async ({ page, open }) => {
  await page.addInitScript(() => Object.assign(globalThis, { Notification: { requestPermission: async () => 'denied' } }));
  await open('?q=tweet');
  await page.locator('.menu summary').click();
  await page.getByLabel('Desktop notifications').click();
  await page.locator('.panel').getByText('The browser does not allow notifications here.').waitFor();
  await accessible(page, 'denied');
  // All of it is seen: a column cuts what goes beyond it.
  const right = (/** @type {string} */ part) => page.locator(part).evaluate((element) => element.getBoundingClientRect().right);
  assert.ok((await right('.panel')) <= (await right('.column')));
});

live('a search that can not be registered shows where it is wrong, and has no tools', async ({ page, open }) => {
  await open(`?q=${encodeURIComponent('java (job OR')}`);
  const failed = page.locator('.column');
  await failed.locator('.mistake', { hasText: 'Column' }).waitFor();
  assert.match((await failed.locator('.mistake pre').textContent()) ?? '', /java \(job OR/);
  assert.ok(await failed.locator('.mistake .wrong').isVisible());
  for (const name of ['Pause', 'Analysis']) assert.equal(await failed.getByRole('button', { name }).count(), 0, name);
  assert.equal(await failed.locator('select').count(), 0);
  await accessible(page, 'failed');
  await failed.getByRole('button', { name: 'Edit this search' }).click();
  assert.ok(await page.getByRole('combobox', { name: 'Search' }).evaluate((input) => input === document.activeElement));
  await failed.getByRole('button', { name: 'Close column' }).click();
  await failed.waitFor({ state: 'detached' });
});

live('a search begins though its check does not come', async ({ perch, page, open }) => {
  await page.addInitScript(() => {
    // However long somebody waits.
    AbortSignal.timeout = () => new AbortController().signal;
  });
  await perch.post(...many(0, 3));
  await open('');
  await page.route('**/api/explain*', () => {});
  await page.getByRole('combobox', { name: 'Search' }).fill('tweet');
  await page.keyboard.press('Enter');
  await total(page, 'tweet', 3);
});
