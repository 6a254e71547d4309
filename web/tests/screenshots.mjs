// Makes the pictures in docs/screenshots: the main states of the page, with made-up tweets, always
// the same ones.
//
//   make screenshots, or node web/tests/screenshots.mjs FOLDER

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { start } from './mock-server.mjs';

const FOLDER = process.argv[2] ?? fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));

/** @typedef {import('playwright-core').Page} Page */

/**
 * @type {Record<string, {path?: string, size?: [number, number], dark?: boolean, act?: (page: Page)
 *   => Promise<unknown>}>}
 */
const STATES = {
  'search-light': { path: '?q=rust' },
  'search-dark': { path: '?q=rust', dark: true },
  'columns-light': { path: '?q=rust&q=java&q=%23berlin' },
  'columns-dark': { path: '?q=rust&q=java&q=%23berlin', dark: true },
  'phone-light': { path: '?q=rust', size: [360, 740] },
  'phone-dark': { path: '?q=rust', size: [360, 740], dark: true },
  'phone-analysis-light': { path: '?q=rust', size: [360, 740], act: (page) => page.getByRole('button', { name: 'Analysis' }).click() },
  'settings-light': { path: '?q=rust&q=java', act: (page) => page.locator('.menu summary').first().click() },
  'json-dark': { path: '?q=rust', dark: true, act: (page) => page.locator('.age').first().click() },
  'start-light': {},
  'start-dark': { dark: true },
  'mistake-light': {
    path: '?q=rust',
    act: async (page) => {
      await page.getByRole('combobox', { name: 'Search' }).fill('java (job OR jobs');
      await page.locator('.mistake').waitFor();
    },
  },
  'reading-light': {
    path: '?q=*',
    act: async (page) => {
      await page.locator('.scroller').hover();
      await page.mouse.wheel(0, 700);
      await page.locator('.new').waitFor();
    },
  },
  'help-dark': { path: '?q=rust', dark: true, act: (page) => page.keyboard.press('?') },
};

await mkdir(FOLDER, { recursive: true });
const browser = await launch();
for (const [name, { path = '', size = [1280, 800], dark = false, act }] of Object.entries(STATES)) {
  const server = await start({ rate: 0, seed: 5 });
  const context = await browser.newContext({
    viewport: { width: size[0], height: size[1] },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  await page.goto(server.url + path);
  await page.locator('.connection[data-state="open"]').waitFor();
  if (!path) await page.locator('.tile .spark').nth(2).waitFor();
  if (path) {
    await page.locator('.progress').first().waitFor({ state: 'detached' });
    await page.locator('.tweet').first().waitFor();
    // Enough that it looks alive.
    const pushing = setInterval(() => server.push(server.another(Date.now())), 100);
    await act?.(page);
    await page.locator('.rate').first().waitFor();
    await page.waitForFunction(() => /[2-9]/.test(document.querySelector('.stats')?.textContent?.match(/([\d.]+)\/s/)?.[1] ?? ''));
    clearInterval(pushing);
  }
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  await context.close();
  server.stop();
  console.log(name);
}
await browser.close();
