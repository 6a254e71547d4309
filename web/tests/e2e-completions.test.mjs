// Completions below the search field, in a real browser, on the real server.

import assert from 'node:assert/strict';
import { accessible, live, total } from './page.mjs';
import { tweet } from './support.mjs';

/** @typedef {import('playwright-core').Page} Page */

const TWEETS = [
  tweet(1, { text: 'Rust is fast #oxide', lang: 'en' }),
  tweet(2, { text: 'rust and ruby #oxide', lang: 'de', user: { screen_name: 'annika' } }),
  tweet(3, { text: 'rubber ducks #oxides', lang: 'de' }),
];

/** @param {Page} page */
const field = (page) => page.getByRole('combobox', { name: 'Search' });
/** @param {Page} page */
const options = (page) => page.locator('.completions [role=option]');
/** Waits until these are the completions. @param {Page} page @param {string[]} expected */
async function completions(page, expected) {
  await page.waitForFunction((expected) => JSON.stringify([...document.querySelectorAll('[role=option] bdi')].map((it) => it.textContent)) === expected, JSON.stringify(expected));
}
/** The text of the option that the field names as active. @param {Page} page */
const active = (page) =>
  page.evaluate(() => {
    const id = document.querySelector('[role=combobox]')?.getAttribute('aria-activedescendant');
    const option = id ? document.getElementById(id) : null;
    return option?.getAttribute('aria-selected') === 'true' ? (option.querySelector('bdi')?.textContent ?? '') : null;
  });
/** @param {Page} page */
const caret = (page) => field(page).evaluate((input) => /** @type {HTMLInputElement} */ (input).selectionStart);

live('words, names and values are completed by the keyboard', async ({ perch, page, open }) => {
  await perch.post(...TWEETS);
  await open('');
  const input = field(page);
  await input.pressSequentially('ru');
  await completions(page, ['rust', 'rubber', 'ruby']);
  assert.equal(await input.getAttribute('aria-expanded'), 'true');
  assert.equal(await active(page), null, 'nothing is chosen yet');
  await page.keyboard.press('ArrowDown');
  assert.equal(await active(page), 'rust');
  await page.keyboard.press('ArrowUp');
  assert.equal(await active(page), null, 'above the first is the field');
  await page.keyboard.press('ArrowUp');
  assert.equal(await active(page), 'ruby');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await input.inputValue(), 'rust ');
  assert.equal(await input.getAttribute('aria-expanded'), 'false');
  assert.equal(page.url(), `${perch.url}`, 'Enter chose, and searched nothing');
  await input.pressSequentially('lan');
  await completions(page, ['lang:']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  assert.equal(await input.inputValue(), 'rust lang:');
  await completions(page, ['de', 'en', 'am', 'ar', 'bg', 'bn', 'bo', 'bs']);
  await input.pressSequentially('germ');
  await completions(page, ['de']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await input.inputValue(), 'rust lang:de ');
  await page.keyboard.press('Enter');
  await total(page, 'rust lang:de', 1);
});

live('Enter without a choice searches, and Escape closes the list first', async ({ perch, page, open }) => {
  await perch.post(...TWEETS);
  await open('');
  const input = field(page);
  await input.pressSequentially('#ox');
  await completions(page, ['#oxide', '#oxides']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  assert.equal(await input.inputValue(), '#ox', 'Escape changes no text');
  assert.equal(await input.getAttribute('aria-expanded'), 'false');
  // What the server says of the query is still there, once it has come.
  await page.locator('.below .estimate').waitFor();
  await page.keyboard.press('Escape');
  assert.ok(!(await page.locator('.below').isVisible()));
  await input.pressSequentially('i');
  await completions(page, ['#oxide', '#oxides']);
  await page.keyboard.press('Enter');
  await total(page, '#oxi', 0);
  assert.equal(await options(page).count(), 0);
});

live('a completion in the middle replaces its word and keeps the rest', async ({ perch, page, open }) => {
  await perch.post(...TWEETS);
  await open('');
  const input = field(page);
  await input.fill('(rust OR 😀 rub) from:ann');
  await input.evaluate((element) => /** @type {HTMLInputElement} */ (element).setSelectionRange(15, 15));
  await page.keyboard.press('Backspace');
  await page.keyboard.press('KeyB');
  await completions(page, ['rubber', 'ruby']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await input.inputValue(), '(rust OR 😀 ruby) from:ann');
  assert.equal(await caret(page), 16);
  await page.keyboard.press('End');
  await page.keyboard.press('KeyI');
  await page.keyboard.press('Backspace');
  await completions(page, ['ann', 'annika']);
});

live('the list stays while its next state is on the way, and what has changed is not chosen', async ({ perch, page, open }) => {
  await perch.post(...TWEETS);
  await open('');
  const input = field(page);
  await input.pressSequentially('ru');
  await completions(page, ['rust', 'rubber', 'ruby']);
  /** @type {() => void} */
  let answer = () => {};
  const held = new Promise((resolve) => (answer = () => resolve(undefined)));
  await page.route('**/api/suggest*', async (route) => {
    await held;
    await route.continue();
  });
  await input.pressSequentially('s');
  await page.keyboard.press('ArrowDown');
  assert.equal(await options(page).count(), 3, 'it does not flicker');
  assert.equal(await active(page), null);
  answer();
  await completions(page, ['rust']);
  await page.unroute('**/api/suggest*');
  await page.route('**/api/suggest*', (route) => route.fulfill({ status: 503, body: '{}' }));
  await input.pressSequentially('t');
  await page.waitForFunction(() => document.querySelectorAll('[role=option]').length === 0);
  await page.keyboard.press('Enter');
  await total(page, 'rust', 2);
});

for (const dark of [false, true])
  live(
    `completions are accessible and work by touch, ${dark ? 'dark' : 'light'}`,
    async ({ perch, page, open }) => {
      await perch.post(...TWEETS);
      await open('');
      await field(page).fill('ru');
      await completions(page, ['rust', 'rubber', 'ruby']);
      await accessible(page, 'completions');
      await page.keyboard.press('ArrowDown');
      await accessible(page, 'a chosen completion');
      await field(page).fill('f');
      await options(page).filter({ hasText: 'from:' }).click();
      assert.equal(await field(page).inputValue(), 'from:');
      assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'combobox', 'the focus stays');
      await options(page).filter({ hasText: 'annika' }).click();
      assert.equal(await field(page).inputValue(), 'from:annika ');
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0);
      if (process.env.PERCH_PICTURES) {
        await field(page).fill('rust f');
        await options(page).first().waitFor();
        await page.keyboard.press('ArrowDown');
        await page.screenshot({ path: `${process.env.PERCH_PICTURES}/completions-${dark ? 'dark' : 'light'}.png` });
      }
    },
    { dark, size: dark ? [360, 740] : [1280, 800] },
  );
