// The parts that need no browser: what a tweet says, how it is marked, counted and exported.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { around } from '../lib/check.js';
import { layout, overlaps } from '../lib/cloud.js';
import { DEFAULTS } from '../lib/column.js';
import { exactJson, toCsv, toNdjson } from '../lib/export.js';
import { RateMeter, Tempo, estimateRate, formats, rateOf } from '../lib/format.js';
import { Analyzer, unitsOf } from '../lib/analyzer.js';
import { NO_FILTERS, filtered, filtersOf } from '../lib/filters.js';
import { Marks, isNear } from '../lib/marks.js';
import * as memory from '../lib/memory.js';
import { muting } from '../lib/mute.js';
import { barsSvg, cloudSvg } from '../lib/picture.js';
import { segments } from '../lib/text.js';
import { hueOf, initials, readTweet, safeUrl } from '../lib/tweet.js';
import { INTERVALS, barsOf, histogram, intervalOf } from '../lib/timeline.js';
import { hasOr, narrowed, readPlaces, writePlaces } from '../lib/urls.js';
import { direction, isTelling, slope, spelled, spellings, topSpelled, trends } from '../lib/words.js';
import { bundled, isCompressed } from '../bundle.mjs';
import { SPARK_BARS, Spark } from '../lib/spark.js';
import { DE } from '../texts/de.js';
import { EN_LATER } from '../texts/en-later.js';
import { EN } from '../texts/en.js';
import { vendored } from '../vendor.mjs';
import { playedTerms, tweet } from './support.mjs';

/** @param {any} raw */
const read = (raw) => /** @type {import('../lib/tweet.js').Tweet} */ (readTweet(raw));

/** The terms of a text, from a server that is played. @param {string} text */
function termsOf(text) {
  const unit = unitsOf(text);
  return playedTerms(text).map(([term, start, end]) => ({ term, start: unit(start), end: unit(end) }));
}

/** @param {string} query @param {string} text */
const marked = (query, text) => new Marks(query).in(termsOf(text), termsOf);

/** An analyzer that knows some texts. @param {string[]} texts */
async function analyzerOf(texts) {
  const analyzer = new Analyzer({
    hello: null,
    whenOpen: () => Promise.resolve(),
    request: (_event, /** @type {any} */ { texts }) => Promise.resolve({ terms: texts.map(playedTerms) }),
  });
  await analyzer.load(texts);
  return analyzer;
}

/**
 * Segments in one line, so that they can be compared at a glance.
 *
 * @param {string} text
 * @param {string} [query]
 * @param {any[]} [links]
 */
const shown = (text, query = '', links = []) =>
  segments(text, links, marked(query, text))
    .map((part) => (part.kind === 'text' ? part.text : `<${part.kind}${part.marked && part.kind !== 'mark' ? '!' : ''} ${part.text}>`))
    .join('');

test('a tweet is read from anything', () => {
  for (const raw of [null, 1, 'text', [], {}, { id: 1.5 }, { id_str: '' }, { id: 2 ** 60 }]) assert.equal(readTweet(raw), null);
  const odd = read({ id_str: '7', text: 5, user: 'nobody', entities: { urls: 'no', media: [null, 3] }, retweeted_status: [], created_at: {} });
  assert.equal(odd.text, '');
  assert.equal(odd.name, '');
  assert.deepEqual(odd.links, []);
  assert.deepEqual(odd.media, []);
  assert.ok(Number.isNaN(odd.time));
  assert.equal(read({ id: 7 }).id, '7');
});

test('ids that numbers can not hold stay apart and in order', () => {
  const [a, b] = [read({ id_str: '505874924095815681' }), read({ id_str: '505874924095815700' })];
  assert.notEqual(a.key, b.key);
  assert.ok(a.key < b.key);
  assert.ok(read({ id_str: '99' }).key < read({ id_str: '100' }).key);
});

test('a tweet whose identity is no number has the order of its id', () => {
  const post = (/** @type {string} */ name, /** @type {number} */ id) => read({ id_str: `at://did:plc:a/app.bsky.feed.post/${name}`, id });
  const [old, late] = [post('z', 1_844_459_124_383_547_392), post('a', 1_844_459_128_577_851_392)];
  assert.equal(old.id, 'at://did:plc:a/app.bsky.feed.post/z');
  assert.ok(old.key < late.key);
  assert.ok(old.key < read({ id_str: '1844459126383547392' }).key);
  assert.ok(read({ id_str: '1844459126383547392' }).key < late.key);
  assert.notEqual(post('a', 5).key, post('b', 5).key);
});

test('only http and https lead anywhere', () => {
  for (const url of ['javascript:alert(1)', 'data:text/html,x', 'JaVaScRiPt:alert(1)', 'vbscript:x', 'file:///etc/passwd', 'nonsense', 'http://', 5, null])
    assert.equal(safeUrl(url), null, String(url));
  assert.equal(safeUrl('https://example.org/a'), 'https://example.org/a');
  const hostile = read({
    id_str: '1',
    text: 'https://t.co/a',
    user: { profile_image_url_https: 'javascript:alert(1)' },
    entities: { urls: [{ url: 'https://t.co/a', expanded_url: 'javascript:alert(1)', display_url: 'x' }], media: [{ media_url_https: 'data:image/svg+xml,x' }] },
  });
  assert.equal(hostile.avatar, null);
  assert.deepEqual(hostile.media, []);
  assert.equal(read({ id_str: '1', url: 'javascript:alert(1)' }).href, null);
  assert.deepEqual(
    hostile.links.map((link) => link.href),
    ['https://t.co/a'],
  );
});

test('an address in the text is not taken for a link when it is none', () => {
  assert.equal(shown('see http:// and https://[bad'), 'see http:// and https://[bad');
  assert.equal(shown('javascript:alert(1)'), 'javascript:alert(1)');
});

test('text falls into links, tags, names and words', () => {
  assert.equal(shown('Hi @ann, #rust at https://example.org/x. $TSLA'), 'Hi <mention @ann>, <hashtag #rust> at <link example.org/x>. <cashtag $TSLA>');
  assert.equal(shown('mail a@b.org, page#part, AT&T, 5$, @'), 'mail a@b.org, page#part, AT&T, 5$, @');
  assert.equal(shown('#日本語 ＃全角 #é́'), '<hashtag #日本語> <hashtag ＃全角> <hashtag #é́>');
  assert.equal(shown('(https://t.co/a)', '', [{ url: 'https://t.co/a', href: 'https://example.org/', label: 'example.org' }]), '(<link example.org>)');
});

test('every character of a text is shown, once and as it is', () => {
  const nasty = ['<script>alert(1)</script> & "quotes"', '\u202Eevil\u202C @a', 'Z̷̧a̴l̸g̶o #t̷ag', `${'a'.repeat(5000)} ${'#'.repeat(5000)}`, '👩‍👩‍👧‍👦 #👍 \u0000 \uD800'];
  for (const text of nasty)
    for (const query of ['', 'a', 'script', 'al*'])
      assert.equal(segments(text, [], marked(query, text)).map((part) => part.text).join(''), text);
});

test('long hostile texts take no time', () => {
  for (const text of ['@'.repeat(100_000), 'https://'.repeat(20_000), '#a'.repeat(50_000), 'a'.repeat(100_000)]) {
    // The processor's time, not the clock's: the machine may be busy. Anything quadratic takes
    // minutes.
    const started = process.cpuUsage();
    segments(text, [], marked('a* b?c "a a a" x~2', text));
    const { user, system } = process.cpuUsage(started);
    assert.ok(user + system < 10_000_000);
  }
});

test('words that were asked for are marked', () => {
  const cases = [
    ['rust', 'Rust and #Rust, rusty', '<mark Rust> and <hashtag! #Rust>, rusty'],
    ['cafe', 'Café', '<mark Café>'],
    ['rust*', 'rusty rust crust', '<mark rusty> <mark rust> crust'],
    ['colo?r', 'colour color colonr', '<mark colour> color <mark colonr>'],
    ['color~1', 'colour colr collars', '<mark colour> <mark colr> collars'],
    ['"good morning"', 'good morning, good evening', '<mark good> <mark morning>, good evening'],
    ['"good mor"*', 'good morning', '<mark good> <mark morning>'],
    ['"good day"~3', 'good sunny day', '<mark good> sunny <mark day>'],
    ['#rust', 'rust #rust', 'rust <hashtag! #rust>'],
    ['@ann', 'ann @Ann', 'ann <mention! @Ann>'],
    ['java -unpaid', 'java unpaid', '<mark java> unpaid'],
    ['java NOT (free OR unpaid) job', 'free java job', 'free <mark java> <mark job>'],
    ['-(a -b)', 'a b', 'a <mark b>'],
    ['lang:en from:ann text:word followers:>=10', 'en ann word 10', 'en ann <mark word> 10'],
    ['created:[2024-01-01 TO *] x', 'TO 2024 x', 'TO 2024 <mark x>'],
    ['text:(a OR b) c', 'a b c', '<mark a> <mark b> <mark c>'],
    ['from:(a OR b) c', 'a b c', 'a b <mark c>'],
    ['a AND b OR c', 'AND a b OR c', 'AND <mark a> <mark b> OR <mark c>'],
    ['rust^2', 'rust 2', '<mark rust> 2'],
    ['/joh?n/', 'john', 'john'],
    ['{"query_string": {"query": "rust"}}', 'query rust', 'query <mark rust>'],
    ['*', 'anything', 'anything'],
    ['((("', 'broken', 'broken'],
  ];
  for (const [query, text, expected] of cases) assert.equal(shown(text ?? '', query), expected, query);
});

test('near words are those a few edits apart', () => {
  assert.ok(isNear('color', 'colour', 1));
  assert.ok(!isNear('color', 'colours', 1));
  assert.ok(isNear('', 'ab', 2));
});

test('initials and hues stand for a picture', () => {
  assert.equal(initials(read(tweet(1))), 'AE');
  assert.equal(initials(read(tweet(1, { user: { name: '🦀', screen_name: '' } }))), '?');
  assert.equal(hueOf('ann'), hueOf('ann'));
  assert.ok(hueOf('x'.repeat(1000)) < 360);
});

test('ages and counts are for people', () => {
  const format = formats('en');
  const now = Date.UTC(2026, 5, 15, 12);
  const ages = [0, 59_000, 60_000, 3_600_000, 86_400_000, 40 * 86_400_000, 400 * 86_400_000].map((ago) => format.age(now - ago, now));
  assert.deepEqual(ages, ['0s', '59s', '1m', '1h', '1d', 'May 6', 'May 11, 2025']);
  assert.equal(format.age(now + 5000, now), '0s');
  assert.equal(format.age(NaN, now), '–');
  assert.deepEqual([1000, 300_000, 10_800_000, 604_800_000].map(format.interval), ['1 sec', '5 min', '3 hr', '7 days']);
  const midnight = new Date(2026, 5, 15).getTime();
  assert.deepEqual([1000, 3_600_000, 86_400_000, 28 * 86_400_000].map((step) => format.tick(midnight, step).replace(/\s/g, ' ')), ['12:00:00 AM', 'Jun 15', 'Jun 15', 'Jun 2026']);
  assert.match(format.tick(midnight + 43_200_000, 43_200_000), /^12:00\sPM$/);
  assert.equal(format.short(999), '999');
  assert.equal(format.short(12_345), '12.3K');
});

test('rates are said in a unit that fits', () => {
  assert.deepEqual(rateOf(25), { n: 25, unit: 'second' });
  assert.deepEqual(rateOf(0.5), { n: 30, unit: 'minute' });
  assert.deepEqual(rateOf(40 / 3600), { n: 40, unit: 'hour' });
  assert.deepEqual(rateOf(3 / 86_400), { n: 3, unit: 'day' });
  assert.deepEqual(rateOf(0), { n: 0, unit: 'day' });
  assert.equal(estimateRate([0, 1000, 2000, 3000], 3000), 1);
  assert.equal(estimateRate([0, 1000], 4000), 0.25);
  assert.equal(estimateRate([5], 10), null);
  assert.equal(estimateRate([NaN, NaN], 10), null);
});

test('the rate is that of the last seconds', () => {
  const meter = new RateMeter(10);
  assert.equal(meter.rate(0), 0);
  for (let second = 0; second < 20; second++) meter.add(second * 1000, 5);
  assert.equal(meter.rate(19_000), 5);
  assert.equal(meter.rate(24_000), 2.5);
  assert.equal(meter.rate(60_000), 0);
});

test('a mistake is shown where it is, by characters', () => {
  assert.deepEqual(around('👍 (a', 3, 1), ['👍 ', '(', 'a']);
  assert.deepEqual(around('ab', 3, 0), ['ab', '', '']);
  assert.deepEqual(around('ab', 99, 5), ['ab', '', '']);
});

test('terms come in batches, and again after a loss', async () => {
  /** @type {string[][]} */
  const asked = [];
  /** @type {(() => void)[]} */
  const waiting = [];
  let isLost = true;
  const analyzer = new Analyzer({
    hello: /** @type {any} */ ({ limits: { frame_bytes: 30 } }),
    whenOpen: async () => void (isLost = false),
    async request(_event, /** @type {any} */ { texts }) {
      asked.push(texts);
      await new Promise((resolve) => waiting.push(() => resolve(undefined)));
      if (isLost) throw { code: 'connection_lost' };
      return { terms: texts.map(playedTerms) };
    },
  });
  assert.equal(analyzer.known('ä b'), null);
  assert.deepEqual(analyzer.known(''), []);
  const first = analyzer.load(['ä b', 'c']);
  const others = Promise.all([analyzer.load(['ddddddd', 'c']), analyzer.load(['eeeeeee'])]);
  for (let turn = 0; turn < 10; turn++) {
    waiting.splice(0).forEach((answer) => answer());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all([first, others]);
  assert.deepEqual(asked, [['ä b', 'c'], ['ä b', 'c'], ['ddddddd'], ['eeeeeee']]);
  assert.deepEqual(analyzer.known('ä b'), [{ term: 'a', start: 0, end: 1 }, { term: 'b', start: 2, end: 3 }]);
  await analyzer.load(['c']);
  assert.equal(asked.length, 4);
});

test('words are told from noise, and shown as they are spelled', async () => {
  assert.deepEqual(['the', 'a', '42', 'rt', 'x'.repeat(31), '👍', 'compiler', 'a1'].filter(isTelling), ['compiler', 'a1']);
  const one = read(tweet(1, { text: 'RT @bob: The Café is good, https://x.org/cafe #rust &amp; 42 A1' }));
  const japanese = read(tweet(2, { text: '東京タワーは東京にあります' }));
  const three = read(tweet(3, { text: 'good day' }));
  const analyzer = await analyzerOf([one.text, japanese.text, three.text]);
  assert.deepEqual([...spelled(one, analyzer)], [['cafe', 'café'], ['good', 'good'], ['rust', 'rust'], ['a1', 'a1']]);
  assert.deepEqual([...spellings(['cafe', 'rust', 'absent'], [one], analyzer)], [['cafe', 'café'], ['rust', 'rust']]);
  assert.ok(spelled(japanese, analyzer).has('東京'));
  assert.deepEqual(topSpelled([one, three], 2, analyzer), [{ term: 'good', count: 2 }, { term: 'a1', count: 1 }]);
  assert.equal(spelled(read(tweet(4, { text: 'not known' })), analyzer).size, 0);
});

test('regression finds where a series goes', () => {
  assert.equal(slope([1, 2, 3]), 1);
  assert.equal(slope([5]), 0);
  assert.equal(direction([0, 1, 2, 3, 4]), 1);
  assert.equal(direction([4, 3, 2, 1, 0]), -1);
  assert.equal(direction([3, 3, 4, 3, 3]), 0);
  assert.equal(direction([0, 0, 0]), 0);
});

test('a word can rise over all and fall lately', async () => {
  const chronological = Array.from({ length: 200 }, (_, n) => {
    const words = ['filler'];
    // Fades in up to three quarters, and out again at the end.
    const isIn = n < 150 ? n % 200 < n / 1.5 && n % 3 !== 0 : n < 165;
    if (isIn) words.push('wave');
    if (n >= 100) words.push('late');
    return read(tweet(n, { text: words.join(' ') }));
  });
  const analyzer = await analyzerOf(chronological.map(({ text }) => text));
  const found = trends(chronological.toReversed(), ['filler', 'late', 'wave', 'absent'], analyzer);
  assert.deepEqual(found.get('filler'), { long: 0, short: 0 });
  assert.deepEqual(found.get('late'), { long: 1, short: 0 });
  assert.equal(found.get('wave')?.short, -1);
  assert.deepEqual(found.get('absent'), { long: 0, short: 0 });
});

test('a rate is right for slow searches, and does not jump after a burst', () => {
  const tempo = new Tempo();
  const minute = 60_000;
  // Ten minutes of history, two tweets a minute; nothing has come yet.
  const history = () => Array.from({ length: 20 }, (_, n) => n * 30_000);
  const now = 10 * minute;
  assert.ok(Math.abs(tempo.rate(now, history) * 60 - 2) < 0.3);
  for (let n = 0; n < 20; n++) tempo.add(now + n * 20_000);
  assert.ok(Math.abs(tempo.rate(now + 20 * 20_000, history) * 60 - 3) < 0.3);
  for (let n = 0; n < 180; n++) tempo.add(now + 20 * minute + n * 55);
  assert.ok(Math.abs(tempo.rate(now + 20 * minute + 9900, history) - 18) < 2);
  assert.ok(tempo.rate(now + 30 * minute, history) < 0.1);
  assert.equal(new Tempo().rate(now, () => []), 0);
});

test('bars over time count every tweet once, in intervals that fit the span', () => {
  assert.equal(intervalOf(30_000), 1000);
  assert.equal(intervalOf(86_400_000), 1_800_000);
  const times = Array.from({ length: 500 }, (_, n) => n * 7000);
  const { interval, starts, counts } = histogram([...times, NaN]);
  assert.equal(
    counts.reduce((sum, n) => sum + n, 0),
    500,
  );
  assert.ok(starts.length <= 61);
  assert.ok(starts.every((start, at) => start % interval === 0 && (at === 0 || start - /** @type {number} */ (starts[at - 1]) === interval)));
  assert.deepEqual(histogram([]), { interval: 0, starts: [], counts: [], earlier: 0 });
  const stray = histogram([0, ...times.map((time) => time + 1.7e12)]);
  // One tweet of long ago is counted, and does not make one bar of all the others.
  assert.equal(stray.earlier, 1);
  assert.equal(
    stray.counts.reduce((sum, n) => sum + n, 0),
    500,
  );
  assert.ok(stray.starts.length > 30 && stray.starts.length <= 61);
});

test('bars that the server counted are shown with the empty ones between', () => {
  for (const [at, interval] of INTERVALS.slice(1).entries()) assert.equal(interval % /** @type {number} */ (INTERVALS[at]), 0);
  const buckets = [{ key: 1000, count: 2 }, { key: 4000, count: 2 }];
  assert.deepEqual(barsOf({ interval_ms: 1000, buckets }), { interval: 1000, starts: [1000, 2000, 3000, 4000], counts: [2, 0, 0, 2], earlier: 0 });
  // Twelve years before the others: without it the others can be seen.
  const stray = [{ key: -378_000_000_000, count: 1 }, ...buckets];
  assert.deepEqual(barsOf({ interval_ms: 1000, buckets: stray }), { interval: 1000, starts: [1000, 2000, 3000, 4000], counts: [2, 0, 0, 2], earlier: 1 });
  // As many then as now: longer bars, all of them.
  const apart = barsOf({ interval_ms: 1000, buckets: [{ key: -378_000_000_000, count: 4 }, ...buckets] });
  assert.ok(apart.starts.length <= 61 && apart.earlier === 0);
  assert.equal(apart.counts.reduce((sum, n) => sum + n, 0), 8);
  assert.deepEqual(barsOf({ interval_ms: 1000, buckets: [] }).starts, []);
});

test('no two words of the cloud lie on each other', () => {
  const words = Array.from({ length: 80 }, (_, n) => ({ text: 'w'.repeat(2 + (n % 9)), count: 100 - n }));
  const placed = layout(words, { width: 380, height: 230, measure: (text, size) => text.length * size * 0.6 });
  assert.ok(placed.length > 20);
  placed.forEach((word, at) => {
    assert.ok(Math.abs(word.x) + word.width / 2 <= 190.001 && Math.abs(word.y) <= 115);
    for (const other of placed.slice(0, at)) assert.ok(!overlaps(word, other), `${word.text} on ${other.text}`);
  });
  assert.deepEqual(layout([], { width: 10, height: 10, measure: () => 1 }), []);
});

test('exported JSON has the ids as they were', () => {
  const raw = JSON.parse('{"id":505874924095815681,"id_str":"505874924095815681","in_reply_to_status_id":505874924095815999,"in_reply_to_status_id_str":"505874924095815999","user":{"id":1,"id_str":"1"},"text":"@@505 \\"@@1\\""}');
  assert.equal(
    exactJson(raw),
    '{"id":505874924095815681,"id_str":"505874924095815681","in_reply_to_status_id":505874924095815999,"in_reply_to_status_id_str":"505874924095815999","user":{"id":1,"id_str":"1"},"text":"@@505 \\"@@1\\""}',
  );
  assert.equal(toNdjson([read(tweet(0)), read(tweet(1))]).trim().split('\n').length, 2);
});

test('exported CSV can hold everything and runs nothing', () => {
  const csv = toCsv([read(tweet(0, { text: '=cmd|"x"\nsecond, line', user: { name: '@evil' } }))]);
  assert.match(csv, /^id,created_at,/);
  assert.ok(csv.includes(`"'=cmd|""x""\nsecond, line"`));
  assert.ok(csv.includes(",'@evil,"));
  assert.ok(csv.includes('1800000000000000001,'));
  assert.ok(csv.endsWith('\r\n'));
});

test('pictures hold no markup of tweets', () => {
  const colors = { text: '#000', back: '#fff', faint: '#888', colors: ['#111'] };
  const cloud = cloudSvg([{ text: '<script>"&', size: 10, x: 0, y: 0, width: 10 }], { width: 10, height: 10, colors });
  assert.ok(!cloud.includes('<script'));
  const bars = barsSvg({ starts: [0, 1], counts: [1, 2] }, { width: 100, height: 100, colors, title: '<b>', label: String });
  assert.ok(!bars.includes('<b>'));
  assert.equal(bars.match(/<rect/g)?.length, 3);
});

test('searches go into the address and come back', () => {
  /** @type {import('../lib/urls.js').Place[][]} */
  const cases = [[], [{ query: '#c++ & "a b"', order: 'latest' }], [{ query: 'a', order: 'latest' }, { query: 'b', order: 'reach' }]];
  for (const places of cases) assert.deepEqual(readPlaces(writePlaces(places)), places);
  assert.deepEqual(readPlaces('?q=+&q=a&o=nonsense&o=nonsense'), [{ query: 'a', order: 'latest' }]);
  assert.equal(readPlaces(`?${'q=a&'.repeat(100)}`).length, 20);
});

test('a term is added to a search so that both must match', () => {
  const cases = [
    ['rust', '#x', 'rust #x'],
    ['*', '#x', '#x'],
    ['rust #x', '#x', 'rust #x'],
    ['a OR b', 'c', '(a OR b) c'],
    ['a || b', 'c', '(a || b) c'],
    ['fOR', 'c', 'fOR c'],
    ['rust OR go', 'rust', '(rust OR go) rust'],
    ['NOT rust', 'rust', 'NOT rust rust'],
    ['"learn rust now"', 'rust', '"learn rust now" rust'],
    ['lang:IN [en de]', 'en', 'lang:IN [en de] en'],
    ['{broken', 'c', 'c'],
    ['{"match_all":{}}', 'c', '{"bool":{"must":[{"match_all":{}},"c"]}}'],
  ];
  for (const [query, term, expected] of cases) assert.equal(narrowed(query ?? '', term ?? ''), expected);
});

test('what is remembered is checked', () => {
  assert.deepEqual(memory.checked('nonsense'), { recent: [], saved: [], theme: 'auto', language: 'auto', settings: {}, muted: [], keeps: false });
  assert.deepEqual(memory.checked({ recent: [1, 'a', 'a', ' '], saved: ['b', { query: 'b' }, { query: 5 }], theme: 'pink', muted: ['x', ' x ', '', 3] }), {
    recent: ['a'],
    saved: [{ query: 'b', name: 'b' }],
    theme: 'auto',
    language: 'auto',
    settings: {},
    muted: ['x'],
    keeps: false,
  });
  assert.deepEqual(memory.checked({ settings: { a: { pageSize: 25, cap: 3, notify: 'yes', title: true, width: 'wide', density: 3 }, '': {}, b: null } }).settings, { a: { ...DEFAULTS, pageSize: 25, title: true, width: 'wide' } });
  let state = memory.checked(null);
  for (let n = 0; n < 20; n++) state = memory.used(state, `q${n % 15}`);
  assert.equal(state.recent[0], 'q4');
  assert.equal(state.recent.length, 12);
  state = memory.toggled(memory.toggled(memory.toggled(state, 'x'), 'y'), 'x');
  assert.deepEqual(state.saved, [{ query: 'y', name: 'y' }]);
  const other = memory.imported(memory.checked(null), memory.exported(state));
  assert.equal(other.added, 1);
  assert.deepEqual(other.memory.saved, state.saved);
  for (const file of ['', 'null', '{}', '5']) assert.throws(() => memory.imported(state, file), SyntaxError);
  const set = memory.configured(state, 'a', { ...DEFAULTS, cap: 500 });
  assert.deepEqual(set.settings, { a: { ...DEFAULTS, cap: 500 } });
  assert.deepEqual(memory.configured(set, 'a', DEFAULTS).settings, {});
  for (let n = 0; n < 150; n++) state = memory.configured(state, `q${n}`, { ...DEFAULTS, cap: 500 });
  assert.equal(Object.keys(state.settings).length, 100);
  assert.ok(state.settings.q149);
  const broken = { getItem: () => '{', setItem: () => { throw new Error('full'); } };
  assert.deepEqual(memory.load(broken), memory.checked(null));
  memory.store(broken, state);
});

test('a small picture counts on from what the server has counted, over the last while', () => {
  const spark = new Spark();
  const [start, second] = [1_800_000_000_000, 1000];
  // What comes while the server counts is counted once it has.
  spark.add(start + 3 * second);
  spark.take({ total: 3, interval_ms: second, buckets: [{ key: start, count: 2 }, { key: start + 2 * second, count: 1 }] }, start + 4 * second);
  assert.deepEqual(spark.bars, [2, 0, 1, 1, 0]);
  spark.add(start + 5 * second);
  spark.add(start + second);
  spark.add(start - second);
  spark.add(NaN);
  assert.deepEqual(spark.bars, [2, 1, 1, 1, 0, 1]);
  // It moves on; after a long silence nothing of before is left.
  spark.add(start + 41 * second);
  assert.deepEqual([spark.bars.length, spark.bars[0], spark.bars[SPARK_BARS - 1]], [SPARK_BARS, 1, 1]);
  spark.add(start + 10_000 * second);
  assert.deepEqual([spark.bars.length, spark.bars.filter(Boolean)], [SPARK_BARS, [1]]);
  spark.add(start + 10_000 * second);
  assert.equal(spark.bars[SPARK_BARS - 1], 2);
});

test('an archive has its own picture', () => {
  const spark = new Spark();
  const day = 86_400_000;
  spark.take({ total: 2, interval_ms: day, buckets: [{ key: day, count: 1 }, { key: 3 * day, count: 1 }] }, 1_800_000_000_000);
  assert.deepEqual(spark.bars, [1, 0, 1]);
  const empty = new Spark();
  empty.take({ total: 0, interval_ms: 1000, buckets: [] }, 1_800_000_000_000);
  empty.add(1_800_000_000_000);
  assert.deepEqual([empty.bars.length, empty.bars.at(-1)], [SPARK_BARS, 1]);
});

test('each language has every text, with the same values', () => {
  const values = (/** @type {any} */ text) => [...new Set(JSON.stringify(text).match(/\{\w+\}/g))].toSorted();
  const english = { ...EN, ...EN_LATER };
  assert.deepEqual(Object.keys(DE).toSorted(), Object.keys(english).toSorted());
  for (const [key, text] of Object.entries(english)) {
    const german = DE[/** @type {keyof typeof english} */ (key)];
    assert.equal(typeof german, typeof text, key);
    assert.deepEqual(values(german), values(text), key);
  }
});

test('the vendored libraries are what the script makes of the packages', async () => {
  const files = await vendored();
  for (const [name, content] of files) assert.equal(await readFile(new URL(`../vendor/${name}`, import.meta.url), 'utf8'), content, name);
  const there = await readdir(new URL('../vendor/', import.meta.url));
  assert.deepEqual(there.toSorted(), [...files.keys()].toSorted());
});

test('the bundle is what the script makes of the sources, and small', async () => {
  const files = await bundled();
  for (const [name, content] of files) assert.ok((await readFile(new URL(`../dist/${name}`, import.meta.url), 'utf8')) === content, `${name}: npm run bundle`);
  /** @type {Map<string, Buffer>} */
  const compressed = new Map();
  for (const name of [...files.keys()].filter(isCompressed)) compressed.set(name, await readFile(new URL(`../dist/${name}.br`, import.meta.url)));
  for (const [name, bytes] of compressed) assert.ok(brotliDecompressSync(bytes).toString() === files.get(name), `${name}.br: npm run bundle`);
  const there = await readdir(new URL('../dist/', import.meta.url));
  assert.deepEqual(there.toSorted(), [...files.keys(), ...[...compressed.keys()].map((name) => `${name}.br`)].toSorted());
  // What a browser needs before it shows a tweet.
  const bytes = ['index.html', 'start.js', 'chunk.js', 'app.js', 'style.css'].reduce((sum, name) => sum + (compressed.get(name)?.length ?? NaN), 0);
  assert.ok(bytes < 48_000, `${bytes} bytes`);
});

test('filters of a column are the words at the end of its search', () => {
  const round = (/** @type {string} */ query) => {
    const known = filtersOf(query);
    return known && filtered(known.base, known.filters);
  };
  assert.deepEqual(filtersOf('java job has:media lang:de'), { base: 'java job', filters: { ...NO_FILTERS, media: 'with', lang: 'de' } });
  assert.deepEqual(filtersOf('-has:media'), { base: '*', filters: { ...NO_FILTERS, media: 'without' } });
  assert.deepEqual(filtersOf('(a OR b) likes:>=10 followers:>=1000'), { base: '(a OR b)', filters: { ...NO_FILTERS, likes: 10, followers: 1000 } });
  // What is not at the end, or belongs to a part of it, is no filter of all of it.
  for (const query of ['lang:de job', 'a OR lang:de', '"a lang:de"', 'lang:de lang:en', 'a || b has:media']) assert.ok((filtersOf(query)?.filters.media ?? '') === '' && round(query) === query, query);
  for (const query of ['*', 'java', 'a OR b', 'java has:media lang:de', '(a OR b) lang:de', 'lang:de']) assert.equal(round(query), query);
  assert.equal(filtered('a OR b', { ...NO_FILTERS, media: 'with' }), '(a OR b) has:media');
  assert.equal(filtered('*', { ...NO_FILTERS, likes: 5 }), 'likes:>=5');
  assert.equal(filtersOf('{"match": {"text": "a"}}'), null);
  assert.deepEqual(['a OR b', '(a OR b)', '"a OR b"', 'a||b', '(a) OR (b)'].map(hasOr), [true, false, false, true, true]);
});

test('a muted word is one word, in whatever a tweet shows', () => {
  const isMuted = muting(['spoiler', '@Noisy', '#ad', 'a.b']);
  const mutes = (/** @type {any} */ more) => isMuted?.(read(tweet(1, more)));
  assert.ok(mutes({ text: 'a SPOILER!' }) && mutes({ text: 'x #ad' }) && mutes({ text: 'a.b' }) && mutes({ user: { screen_name: 'noisy' } }));
  assert.ok(mutes({ text: 'RT', retweeted_status: tweet(2, { text: 'spoiler' }) }) && mutes({ text: 'see', quoted_status: tweet(3, { text: 'spoiler' }) }));
  assert.ok(!mutes({ text: 'spoilers, adapter #adapter axb' }));
  assert.equal(muting([]), null);
});
