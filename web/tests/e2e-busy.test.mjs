// A column into which many tweets come, in a real browser: what one points at stays where it is,
// and what is sorted by is what is shown.

import assert from 'node:assert/strict';
import { accessible, column, live, many, shown, texts, total } from './page.mjs';
import { tweet } from './support.mjs';

live('the tweet under the pointer stays there while many come, and they come when one points elsewhere', async ({ perch, page, open }) => {
  await perch.post(...many(0, 30));
  await open('?q=tweet');
  await total(page, 'tweet', 30);
  const pointed = page.locator('.tweet').nth(3);
  const text = await pointed.locator('.text').textContent();
  const box = /** @type {{x: number, y: number}} */ (await pointed.boundingBox());
  await page.mouse.move(box.x + 200, box.y + 20);
  await page.mouse.move(box.x + 202, box.y + 22);
  await page.locator('.state.held').waitFor();
  for (let n = 0; n < 40; n++) await perch.post(tweet(100 + n));
  await total(page, 'tweet', 70);
  await page.getByRole('button', { name: 'Show 40 new tweets' }).waitFor();
  assert.deepEqual(await pointed.boundingBox(), box);
  assert.equal(await pointed.locator('.text').textContent(), text);
  await accessible(page, 'held');
  // The counter lets them in; so does who points elsewhere.
  await page.getByRole('button', { name: 'Show 40 new tweets' }).click();
  await shown(page, 'tweet number 139');
  await page.mouse.move(box.x + 200, box.y + 40);
  await page.locator('.state.held').waitFor();
  await perch.post(tweet(200));
  await page.getByRole('button', { name: 'Show 1 new tweet' }).waitFor();
  await page.mouse.move(10, 5);
  await shown(page, 'tweet number 200');
  await page.locator('.state.live').waitFor();
  // The focus holds it too.
  await page.locator('.tweet .age').nth(2).focus();
  await page.keyboard.press('Shift+Tab');
  await page.locator('.state.held').waitFor();
  await perch.post(tweet(201));
  await page.getByRole('button', { name: 'Show 1 new tweet' }).waitFor();
  await page.keyboard.press('/');
  await shown(page, 'tweet number 201');
});

live('none of many tweets is faded in', async ({ perch, page, open }) => {
  await open('?q=tweet');
  await total(page, 'tweet', 0);
  await perch.post(tweet(0));
  await shown(page, 'tweet number 0');
  assert.equal(await page.locator('.tweets li').first().evaluate((item) => getComputedStyle(item).animationName), 'arrive');
  await perch.post(...many(1, 60));
  await total(page, 'tweet', 61);
  await page.locator('.column[data-busy="true"]').waitFor();
  assert.equal(await page.locator('.tweets li').first().evaluate((item) => getComputedStyle(item).animationName), 'none');
});

live('a page that is behind says so, and skips to now', async ({ perch, page, open }) => {
  await perch.post(...many(0, 10));
  // A line so slow that the server sends from its index: nothing comes through it while it is held.
  let isHeld = false;
  /** @type {(message: string | Buffer) => void} */
  let toPage = () => {};
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    toPage = (message) => socket.send(message);
    server.onMessage((message) => {
      if (!isHeld) socket.send(message);
    });
  });
  await open('?q=tweet&q=number');
  await total(page, 'number', 10);
  isHeld = true;
  toPage(JSON.stringify(['stream/catching-up', { from_seq: 1 }]));
  await column(page, 'tweet').locator('.state.behind', { hasText: 'Catching up' }).waitFor();
  await page.locator('.banner').getByText('Behind').waitFor();
  await perch.post(...many(10, 60));
  await accessible(page, 'behind');
  assert.deepEqual((await texts(page))[0], 'tweet number 9');
  isHeld = false;
  await page.getByRole('button', { name: 'Skip to now' }).click();
  await total(page, 'tweet', 70);
  await total(page, 'number', 70);
  await shown(page, 'tweet number 69');
  await column(page, 'tweet').locator('.state.live').waitFor();
  await perch.post(tweet(70));
  await total(page, 'tweet', 71);
  await shown(page, 'tweet number 70');
});

live('the number that is sorted by is the one that is shown', async ({ perch, page, open }) => {
  const original = tweet(1, { text: 'java first', retweet_count: 0, favorite_count: 1 });
  await perch.post(original, tweet(2, { text: 'java second', retweet_count: 5 }), tweet(3, { text: 'RT @ann: java first', retweet_count: 14, retweeted_status: { ...original, retweet_count: 14, favorite_count: 9 } }));
  await open('?q=java&o=retweets');
  await total(page, 'java', 3);
  const numbers = () => page.locator('.tweet footer .count.retweet').allTextContents();
  await shown(page, 'java second');
  assert.deepEqual(await texts(page), ['java first', 'java second']);
  assert.match((await numbers())[0] ?? '', /^14 retweets, as its retweets say$/);
  await column(page, 'java').getByRole('combobox', { name: 'Order' }).selectOption('favorites');
  assert.match((await page.locator('.tweet footer .count.heart').first().textContent()) ?? '', /^9 favorites, as its retweets say$/);
});
