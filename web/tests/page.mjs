// What tests of the page in a real browser, on the real server, have in common.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { Perch } from './perch.mjs';
import { tweet } from './support.mjs';

/** @typedef {import('playwright-core').Page} Page */

const AXE = fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url));
export const LONG = Boolean(process.env.PERCH_LONG_TESTS);
/** Longer than anything takes on a busy machine: a test that waits for it has failed. */
const PATIENCE_MS = 30_000;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/**
 * Runs a test with a server and a page of its own. Errors on the page fail it.
 *
 * @param {string} name
 * @param
 *   {(parts: {perch: Perch, page: Page, open: (path: string, state?: string) => Promise<void>}) =>
 *     Promise<void>}
 *   run
 * @param
 *   {{source?: string, set?: string[], size?: [number, number], dark?: boolean, permissions?:
 *     string[]}}
 *   [options]
 */
export function live(name, run, { source, set, size = [1280, 800], dark = false, permissions = [] } = {}) {
  test(name, async () => {
    const perch = await Perch.start(source, set);
    const context = await browser.newContext({
      viewport: { width: size[0], height: size[1] },
      colorScheme: dark ? 'dark' : 'light',
      locale: 'en-US',
      timezoneId: 'UTC',
      acceptDownloads: true,
      permissions,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    // Nothing is loaded from elsewhere.
    await context.route(
      (url) => url.hostname !== '127.0.0.1',
      (route) => route.abort(),
    );
    const page = await context.newPage();
    /** @type {string[]} */
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error.stack)));
    page.on('console', (message) => {
      if (/Content Security Policy/i.test(message.text())) errors.push(message.text());
    });
    const open = (/** @type {string} */ path, state = 'open') =>
      page.goto(perch.url + path).then(() => page.locator(`.connection[data-state="${state}"]`).waitFor());
    try {
      await run({ perch, page, open });
      assert.deepEqual(errors, []);
    } finally {
      await context.close();
      await perch.stop();
    }
  });
}

/**
 * A page of a browser that knows nothing yet.
 *
 * @param {Page} page of the first one
 * @param {import('playwright-core').BrowserContextOptions} [options]
 * @returns {Promise<Page>} its context is to be closed
 */
export async function anotherBrowser(page, options = {}) {
  const context = await /** @type {import('playwright-core').Browser} */ (page.context().browser()).newContext({ locale: 'en-US', timezoneId: 'UTC', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  return context.newPage();
}

/** @param {Page} page @param {string} query */
export const column = (page, query) => page.locator('.column', { has: page.locator('.query', { hasText: new RegExp(`^${query.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) }) });

/**
 * Waits until a column's heading says so many.
 *
 * @param {Page} page
 * @param {string} query
 * @param {number} n
 */
export const total = (page, query, n) =>
  column(page, query)
    .locator('.total', { hasText: new RegExp(`^${new Intl.NumberFormat('en').format(n)} tweets?$`) })
    .waitFor();

/** @param {Page} page @param {string} text */
export const shown = (page, text) => page.locator('.tweet', { hasText: text }).first().waitFor();

/** The texts of the tweets in view, in order. @param {Page} page */
export const texts = (page) => page.locator('.tweet .text').allTextContents();

/** @param {number} from @param {number} n @param {any} [more] */
export const many = (from, n, more) => Array.from({ length: n }, (_, at) => tweet(from + at, more));

/** Everything a column has loaded, by its export. @param {Page} page @returns {Promise<any[]>} */
export async function exported(page) {
  await page.locator('.menu summary').first().click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'NDJSON', exact: true }).click()]);
  await page.keyboard.press('Escape');
  const text = await readFile(await download.path(), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Fails on serious findings. @param {Page} page @param {string} state */
export async function accessible(page, state) {
  // As it is once it stands: what fades in has not its color yet.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.evaluate(await readFile(AXE, 'utf8'));
  const found = await page.evaluate(async () => {
    // @ts-expect-error axe is put into the page above
    const { violations } = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return violations
      .filter((/** @type {any} */ { impact }) => impact === 'serious' || impact === 'critical')
      .map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes.slice(0, 3).map((/** @type {any} */ node) => `${node.html.slice(0, 160)} ${node.failureSummary}`)}`);
  });
  assert.deepEqual(found, [], state);
}
