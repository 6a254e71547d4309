// Measures the page in Chromium, on the server of `target/release` or PERCH_BINARY. Prints a table;
// its figures depend on the machine.
//
//   npm run measure [COLUMNS [RATE [SECONDS]]]        10 columns, 500 tweets a second, 30 seconds
//
// First it loads a fresh page, here and over a slow line. Then tweets pour into columns of `*`.

import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from './browser.mjs';
import { Perch } from './perch.mjs';
import { chance, lively } from './support.mjs';

const [COLUMNS = 10, RATE = 500, SECONDS = 30] = process.argv.slice(2).map(Number);
/** Tweets that are sent in one piece. */
const PIECE = 50;
/** Lines to load the page over: milliseconds to an answer, and bytes a second. */
const LINES = { local: null, '400 ms, 50 kB/s': { latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000, offline: false } };

const random = chance(11);
const browser = await launch();

/** @param {number[]} numbers @param {number} share */
const quantile = (numbers, share) => numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))] ?? NaN;

/** @type {Record<string, Record<string, string | number>>} */
const table = {};

/** From an empty cache to the first tweet. @param {string} name @param {any} line */
async function load(name, line) {
  const perch = await Perch.start();
  await perch.post(...Array.from({ length: 300 }, (_, n) => lively(n, random, Date.now() - 300_000 + n * 1000)));
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const tools = await context.newCDPSession(page);
  await tools.send('Network.enable');
  if (line) await tools.send('Network.emulateNetworkConditions', line);
  const sizes = new Map();
  tools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await page.addInitScript(() => {
    const look = () => (document.querySelector('.tweet') ? Object.assign(globalThis, { firstTweet: performance.now() }) : requestAnimationFrame(look));
    look();
  });
  await page.goto(`${perch.url}?q=*`);
  await page.waitForFunction(() => 'firstTweet' in globalThis);
  const first = await page.evaluate(() => /** @type {any} */ (globalThis).firstTweet);
  await sleep(500);
  table[`load, ${name}`] = { 'first tweet, ms': Math.round(first), requests: sizes.size, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
  await context.close();
  await perch.stop();
}

async function pour() {
  const perch = await Perch.start();
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const tools = await context.newCDPSession(page);
  await page.addInitScript(() => {
    const seen = { frames: 0, tasks: /** @type {number[]} */ ([]), ages: /** @type {number[]} */ ([]), nodes: 0, delays: /** @type {number[]} */ ([]) };
    Object.assign(globalThis, { seen });
    const frame = () => {
      seen.frames++;
      requestAnimationFrame(frame);
    };
    frame();
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => seen.tasks.push(duration))).observe({ entryTypes: ['longtask'] });
    addEventListener('keydown', (event) => seen.delays.push(performance.now() - event.timeStamp), true);
    setInterval(() => {
      const time = document.querySelector('.tweet time')?.getAttribute('datetime');
      if (time) seen.ages.push(Date.now() - Date.parse(time));
      seen.nodes = Math.max(seen.nodes, document.getElementsByTagName('*').length);
    }, 500);
  });
  await page.goto(`${perch.url}?${Array.from({ length: COLUMNS }, () => 'q=*').join('&')}`);
  await page.locator('.total').nth(COLUMNS - 1).waitFor();
  await page.getByRole('combobox', { name: 'Search' }).focus();
  const started = Date.now();
  let n = 0;
  const pouring = perch.stream(async function* () {
    for (; Date.now() - started < SECONDS * 1000; n += PIECE) {
      await sleep(Math.max(0, started + (n / RATE) * 1000 - Date.now()));
      yield Array.from({ length: PIECE }, (_, at) => lively(n + at, random, Date.now()));
    }
  });
  let isPouring = true;
  void pouring.finally(() => (isPouring = false));
  await page.evaluate(() => Object.assign(/** @type {any} */ (globalThis).seen, { frames: 0, tasks: [], ages: [] }));
  const from = Date.now();
  while (isPouring) {
    await page.keyboard.press('a');
    await sleep(200);
  }
  const seconds = (Date.now() - from) / 1000;
  const { frames, tasks, ages, nodes, delays } = await page.evaluate(() => /** @type {any} */ (globalThis).seen);
  await pouring;
  await tools.send('HeapProfiler.collectGarbage');
  await tools.send('Performance.enable');
  const { metrics } = await tools.send('Performance.getMetrics');
  const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? NaN;
  table[`${COLUMNS} columns of *`] = {
    'tweets a second': Math.round(n / seconds),
    'frames a second': Math.round(frames / seconds),
    'newest tweet, ms (median)': quantile(ages, 0.5),
    'newest tweet, ms (95 %)': quantile(ages, 0.95),
    'longest task, ms': Math.round(Math.max(0, ...tasks)),
    'tasks over 100 ms': tasks.filter((/** @type {number} */ task) => task > 100).length,
    nodes,
    'input delay, ms (95 %)': Math.round(quantile(delays, 0.95)),
    'heap, MB': Math.round(heap / 1e5) / 10,
  };
  await context.close();
  await perch.stop();
}

for (const [name, line] of Object.entries(LINES)) await load(name, line);
await pour();
for (const [name, figures] of Object.entries(table)) {
  console.log(name);
  for (const [figure, value] of Object.entries(figures)) console.log(`  ${figure.padEnd(28)} ${value}`);
}
await browser.close();
