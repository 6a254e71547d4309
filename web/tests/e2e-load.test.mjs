// How the page begins, in a real browser: tweets before the search is registered, and parts that
// are loaded later.

import assert from 'node:assert/strict';
import { accessible, live, many, shown, texts, total } from './page.mjs';
import { tweet } from './support.mjs';

live('the newest tweets show before the search is registered, and count once', async ({ perch, page, open }) => {
  await perch.post(...many(0, 30));
  /** @type {(() => void)[]} */
  const held = [];
  let isHeld = true;
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => (isHeld ? held.push(() => server.send(message)) : server.send(message)));
  });
  await open('?q=tweet');
  await shown(page, 'tweet number 29');
  await page.locator('.total', { hasText: 'Registering' }).waitFor();
  await accessible(page, 'early');
  // One that comes before the registration is found by history, too.
  await perch.post(tweet(30));
  isHeld = false;
  for (const send of held) send();
  await total(page, 'tweet', 31);
  await perch.post(tweet(31));
  await total(page, 'tweet', 32);
  await shown(page, 'tweet number 31');
  const all = await texts(page);
  assert.deepEqual(all, Array.from({ length: all.length }, (_, n) => `tweet number ${31 - n}`));
});

live('a part of the page that can’t be loaded says so, and opens once it can', async ({ page, open }) => {
  await page.route('**/later.js', (route) => route.abort());
  await open('');
  await page.getByRole('button', { name: 'Help' }).click();
  await page.getByRole('alert').getByText('can’t be loaded').waitFor();
  await accessible(page, 'not loaded');
  await page.getByRole('button', { name: 'Close' }).click();
  await page.unroute('**/later.js');
  await page.getByRole('button', { name: 'Help' }).click();
  await page.getByRole('dialog', { name: 'How to search' }).waitFor();
});
