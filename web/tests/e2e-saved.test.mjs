// Saved searches in a real browser, on the real server: a bell, a list, sets of columns, and what
// to do without a token.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { accessible, anotherBrowser, column, live, total } from './page.mjs';
import { tweet } from './support.mjs';

/** A receiver of webhooks on this machine. It answers 204, or what `status` says. */
class Receiver {
  status = 204;
  /** @type {any[]} */
  got = [];
  /** @type {(() => void)[]} */
  #waiters = [];
  #server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    this.got.push({ ...JSON.parse(text), signature: request.headers['webhook-signature'] });
    response.writeHead(this.status).end();
    this.#waiters.splice(0).forEach((resolve) => resolve());
  });

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
    return `http://127.0.0.1:${port}/hook`;
  }

  /** @param {(message: any) => boolean} fits */
  async until(fits) {
    for (;;) {
      const found = this.got.find(fits);
      if (found) return found;
      await new Promise((resolve) => this.#waiters.push(() => resolve(undefined)));
    }
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const LOCAL = { set: ['deliveries.allow_private_addresses=true'] };

/**
 * Saves the search of the first column.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {string} [sets]
 */
async function save(page, name, sets = '') {
  await page.getByRole('button', { name: 'Save this search on the server' }).first().click();
  const form = page.getByRole('dialog', { name: 'Save this search' });
  await form.getByLabel('Name').fill(name);
  await form.getByLabel('Sets').fill(sets);
  return form;
}

const MATCH = (/** @type {any} */ message) => message.type === 'search.matches';

live(
  'a bell saves a search, and its matches come to a webhook when the page is closed',
  async ({ perch, page, open }) => {
    const receiver = new Receiver();
    const url = await receiver.start();
    try {
      await open('?q=rust');
      await total(page, 'rust', 0);
      const form = await save(page, 'crab news');
      await accessible(page, 'form');
      await form.getByRole('button', { name: 'Add Webhook' }).click();
      await form.getByLabel('Address').fill(url);
      await form.getByRole('button', { name: 'Make one' }).click();
      assert.match(await form.getByRole('textbox', { name: 'Secret' }).inputValue(), /^whsec_.{44}$/);
      await accessible(page, 'form with a receiver');
      await form.getByRole('button', { name: 'Save', exact: true }).click();
      const list = page.getByRole('dialog', { name: 'Saved searches' });
      const entry = list.locator('.kept li', { hasText: 'crab-news' });
      await entry.getByText('Live', { exact: true }).waitFor();
      await entry.getByText('127.0.0.1').waitFor();
      await entry.getByRole('button', { name: 'Send a sample' }).click();
      await entry.getByText('took the sample (204)').waitFor();
      assert.equal(receiver.got[0].type, 'search.test');
      await accessible(page, 'list');
      // The column has the name, and its bell says so.
      await page.keyboard.press('Escape');
      await page.locator('.query', { hasText: 'crab-news' }).waitFor();
      await page.getByRole('button', { name: 'Saved as crab-news' }).waitFor();
      const away = page.url();
      await page.goto('about:blank');
      await perch.post(tweet(1, { text: 'rust at night' }));
      const { data, signature } = await receiver.until(MATCH);
      assert.equal(data.search, 'crab-news');
      assert.equal(data.events[0][1].tweet.text, 'rust at night');
      assert.match(signature, /^v1,/);
      // A second visit knows the name with the page.
      await page.goto(away);
      await page.locator('.query', { hasText: 'crab-news' }).waitFor();
      await page.getByRole('button', { name: 'Saved searches' }).click();
      await entry.getByText('1 delivered').waitFor();
      await entry.getByRole('button', { name: 'Deliveries' }).click();
      await entry.locator('.tries td', { hasText: '204' }).first().waitFor();
      await accessible(page, 'deliveries');
      // Paused, nothing is sent; the position stays.
      await entry.getByRole('button', { name: 'Pause' }).click();
      await entry.locator('.state.paused').waitFor();
      await perch.post(tweet(2, { text: 'rust while paused' }));
      await entry.getByRole('button', { name: 'Go on' }).click();
      await receiver.until((message) => MATCH(message) && message.data.events.some((/** @type {any} */ event) => event[1].tweet?.text === 'rust while paused'));
      // A receiver that fails is shown, with the reason.
      receiver.status = 500;
      await perch.post(tweet(3, { text: 'rust in vain' }));
      await entry.locator('.state.failing').waitFor();
      await entry.getByText(/500.*next try/).waitFor();
      await accessible(page, 'failing');
      await entry.getByRole('button', { name: 'Delete' }).click();
      await entry.getByRole('button', { name: 'Really delete?' }).click();
      await list.getByText('Nothing is saved yet').waitFor();
    } finally {
      receiver.stop();
    }
  },
  LOCAL,
);

live(
  'a kind of receiver is a row of the table: chat services, digests, limits',
  async ({ perch, page, open }) => {
    await open('?q=rust');
    await total(page, 'rust', 0);
    let form = await save(page, 'daily');
    await form.getByRole('button', { name: 'Add Slack' }).click();
    await form.getByLabel('Address').fill('http://127.0.0.1:1/services/x');
    assert.equal(await form.getByLabel('Time zone').count(), 0);
    await form.getByLabel('How often').selectOption('every day, together');
    await form.getByRole('textbox', { name: 'At', exact: true }).fill('09:00');
    await form.getByRole('button', { name: 'Mine' }).click();
    await form.getByLabel('At most, an hour').fill('50');
    await accessible(page, 'a digest');
    await form.getByRole('button', { name: 'Save', exact: true }).click();
    await page.locator('.kept li', { hasText: '127.0.0.1:1' }).waitFor();
    const kept = async () => (await (await fetch(`${perch.url}api/searches/daily`)).json()).deliver;
    assert.deepEqual(await kept(), [{ type: 'webhook', template: 'slack', url: 'http://127.0.0.1:1/services/x', every: '1d', at: '09:00', time_zone: 'UTC', max_per_hour: 50 }]);
    // What is changed to come at once has no time of the day.
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    form = page.getByRole('dialog', { name: 'Save this search' });
    await form.getByLabel('How often').selectOption('at once');
    await form.getByRole('button', { name: 'Save', exact: true }).click();
    await page.locator('.kept li').waitFor();
    assert.deepEqual(await kept(), [{ type: 'webhook', template: 'slack', url: 'http://127.0.0.1:1/services/x', max_per_hour: 50 }]);
  },
  LOCAL,
);

live('what is changed keeps what the page does not know, and a public search has a feed', async ({ perch, page, open }) => {
  await fetch(`${perch.url}api/searches/crab`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: 'rust', public: true, feed: { title: 'Crabs' }, tags: ['a'] }) });
  const kept = async () => (await (await fetch(`${perch.url}api/searches/crab`)).json());
  await perch.post(tweet(1, { text: 'rust in a feed' }));
  await open('');
  await page.getByRole('button', { name: 'Saved searches' }).click();
  const entry = page.locator('.kept li', { hasText: 'crab' });
  const href = await entry.getByRole('link', { name: 'Feed' }).getAttribute('href');
  assert.match(await (await fetch(new URL(href ?? '', perch.url))).text(), /<feed[^]*rust in a feed/);
  await entry.getByRole('button', { name: 'Change', exact: true }).click();
  const form = page.getByRole('dialog', { name: 'Save this search' });
  assert.ok(await form.getByLabel('Anyone may read its feed').isChecked());
  await form.getByLabel('Sets').fill('a, b');
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await entry.getByText('b', { exact: true }).waitFor();
  assert.deepEqual([(await kept()).tags, (await kept()).public, (await kept()).feed.title], [['a', 'b'], true, 'Crabs']);
  await entry.getByRole('button', { name: 'Change', exact: true }).click();
  await form.getByLabel('Anyone may read its feed').uncheck();
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await entry.getByRole('link', { name: 'Feed' }).waitFor({ state: 'detached' });
  assert.equal((await kept()).feed.title, 'Crabs');
});

live(
  'a mail server that is configured is a receiver, and comes each day unless one says otherwise',
  async ({ perch, page, open }) => {
    await open('?q=rust');
    await total(page, 'rust', 0);
    const form = await save(page, 'daily');
    await form.getByRole('button', { name: 'Add mail' }).click();
    assert.equal(await form.getByLabel('How often').inputValue(), '1d');
    await form.getByLabel('To', { exact: true }).fill('ann@example.com');
    await accessible(page, 'mail');
    await form.getByRole('button', { name: 'Save', exact: true }).click();
    await form.getByRole('alert').getByText('does not allow this address').waitFor();
    assert.equal(await form.getByLabel('To', { exact: true }).getAttribute('aria-invalid'), 'true');
    await form.getByLabel('To', { exact: true }).fill('ann@example.org');
    await form.getByRole('button', { name: 'Save', exact: true }).click();
    await page.locator('.kept li', { hasText: 'ann@example.org' }).waitFor();
    const { deliver } = await (await fetch(`${perch.url}api/searches/daily`)).json();
    assert.deepEqual(deliver, [{ type: 'mail', to: 'ann@example.org', every: '1d' }]);
  },
  { set: ['server.public_url=https://perch.example.org', 'mail.server=localhost', 'mail.from=perch@example.org', 'mail.recipients=["@example.org"]'] },
);

live('a private feed has a secret address that is made, copied and ended', async ({ perch, page, open }) => {
  await perch.post(tweet(1, { text: 'rust in secret' }));
  await open('?q=rust');
  await total(page, 'rust', 1);
  let form = await save(page, 'crab');
  // Without a mail server there are no mails.
  assert.equal(await form.getByRole('button', { name: 'Add mail' }).count(), 0);
  await form.getByText('Save the search first').waitFor();
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  form = page.getByRole('dialog', { name: 'Save this search' });
  await form.getByRole('button', { name: 'Make a secret address' }).click();
  const link = form.locator('.urls a').first();
  const read = async (/** @type {string | null} */ url) => {
    const answer = await fetch(url ?? '');
    return answer.ok ? answer.text() : String(answer.status);
  };
  const first = await link.getAttribute('href');
  assert.match(first ?? '', /\/feeds\/[\w-]{43}\/crab\.atom$/);
  assert.match(await read(first), /rust in secret/);
  assert.match(await read(await form.locator('.urls a').nth(1).getAttribute('href')), /rust in secret/);
  await form.getByRole('button', { name: 'Copy: Atom' }).click();
  await form.getByRole('button', { name: 'Copied: Atom' }).waitFor();
  await accessible(page, 'secret address');
  await form.getByRole('button', { name: 'Make a new secret address' }).click();
  await form.locator(`.urls a[href$=".atom"]:not([href="${first}"])`).waitFor();
  assert.equal(await read(first), '404');
  const second = await link.getAttribute('href');
  // A token is a change of the search; the form goes on from it.
  await form.getByLabel('Sets').fill('secrets');
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('.kept li', { hasText: 'secrets' }).waitFor();
  assert.match(await read(second), /rust in secret/);
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await form.getByText('It has a secret address').waitFor();
  await form.getByRole('button', { name: 'End the secret address' }).click();
  await form.getByRole('button', { name: 'Make a secret address' }).waitFor();
  assert.equal(await read(second), '404');
  // Who makes it public sees where it will be.
  await form.getByLabel('Anyone may read its feed').check();
  await form.getByText('These addresses work once').waitFor();
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  assert.match(await read(await page.locator('.kept li a').evaluate((/** @type {any} */ anchor) => anchor.href)), /rust in secret/);
});

live('a wrong receiver and a name that is taken are said in the form', async ({ page, open }) => {
  await open('?q=rust&q=java');
  await total(page, 'java', 0);
  let form = await save(page, 'crab');
  await form.getByRole('button', { name: 'Add Webhook' }).click();
  await form.getByLabel('Address').fill('http://127.0.0.1:9/');
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await form.getByRole('alert').getByText('deliver[0].url').waitFor();
  assert.equal(await form.getByLabel('Address').getAttribute('aria-invalid'), 'true');
  await accessible(page, 'refused');
  await form.getByRole('button', { name: 'Remove' }).click();
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('.kept li', { hasText: 'Kept only' }).waitFor();
  await page.keyboard.press('Escape');
  form = await save(page, 'crab');
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await form.getByText('There is a saved search crab already').waitFor();
  await form.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('.kept li').waitFor();
  // What somebody else changed meanwhile is not overwritten.
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  form = page.getByRole('dialog', { name: 'Save this search' });
  await page.evaluate(() => fetch('api/searches/crab', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: 'rust', tags: ['theirs'] }) }));
  await form.getByLabel('Sets').fill('mine');
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await form.getByText('Somebody has changed it meanwhile').waitFor();
});

live('a set of columns opens on another browser, each by its name', async ({ perch, page, open }) => {
  await perch.post(tweet(1, { text: 'rust and java' }));
  await open('?q=rust&q=java');
  await total(page, 'java', 1);
  const form = await save(page, 'the-crabs');
  await form.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByLabel('Keep the 2 open columns as a set').fill('Morning coffee');
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Morning coffee', exact: true }).click();
  await accessible(page, 'sets');
  const other = await anotherBrowser(page);
  await other.goto(perch.url);
  await other.locator('.connection[data-state="open"]').waitFor();
  await other.getByRole('button', { name: 'Saved searches' }).click();
  await other.getByRole('button', { name: 'Morning coffee', exact: true }).click();
  await other.getByRole('button', { name: 'Open these 2 columns' }).click();
  await other.locator('.column .query', { hasText: 'the-crabs' }).waitFor();
  // In the order in which they were, which is not that of their names.
  assert.deepEqual(new URL(other.url()).searchParams.getAll('q'), ['rust', 'java']);
  await other.locator('.column .total', { hasText: '1 tweet' }).nth(1).waitFor();
  await other.context().close();
});

live(
  'without a token the page says what to do, and goes on with one',
  async ({ page, open, perch }) => {
    await open('?q=rust');
    await column(page, 'rust').waitFor();
    await page.getByRole('button', { name: 'Save this search on the server' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('This server does not save searches for you yet').waitFor();
    await accessible(page, 'locked');
    await dialog.getByLabel('Token').fill('not the token');
    await dialog.getByRole('button', { name: 'Go on' }).click();
    await dialog.getByText('The server says: the token is wrong').waitFor();
    await dialog.getByLabel('Token').fill(perch.secret);
    await dialog.getByRole('button', { name: 'Go on' }).click();
    // What was to be saved is still to be saved.
    await dialog.getByLabel('Name').waitFor();
    await dialog.getByRole('button', { name: 'Save', exact: true }).click();
    await dialog.getByText('Kept only').waitFor();
  },
  { set: ['ingest.token_file=secret'], dark: true },
);

live(
  'on a phone the list and the form fit',
  async ({ page, open }) => {
    await open('?q=rust');
    const form = await save(page, 'a-long-name-that-goes-on-and-on-and-on-and-on-until-it-is-far-too-long-for-a-phone', 'one, two, three');
    await form.getByRole('button', { name: 'Add Webhook' }).click();
    await accessible(page, 'phone, form');
    assert.ok(await page.evaluate(() => [...document.querySelectorAll('dialog *')].every((element) => element.getBoundingClientRect().right <= 361)));
    await form.getByRole('button', { name: 'Remove' }).click();
    await form.getByRole('button', { name: 'Save', exact: true }).click();
    await page.locator('.kept li').waitFor();
    await accessible(page, 'phone, list');
    assert.ok(await page.evaluate(() => [...document.querySelectorAll('dialog *')].every((element) => element.getBoundingClientRect().right <= 361)));
  },
  { size: [360, 740] },
);
