// The start: what comes in at this moment, ways to begin, and where tweets come from.

import { useContext, useEffect, useState } from '../vendor/hooks.js';
import { LANGUAGES, LOCALE, t } from '../strings.js';
import { hasDemo } from '../lib/sources.js';
import { Page } from './context.js';
import { LEAST_RATE, format, html, perSecond } from './html.js';
import { Sparkline } from './spark.js';

/** @typedef {import('../lib/column.js').Column} Column */

const TRY = ['#election', 'lang:en has:links', 'followers:>=1000 -is:retweet', '"good morning"'];
/** Searches that are shown at work. */
const TILES = ['*', 'coffee OR tea', 'has:media'];

/** @param {{tryQuery: (query: string) => void}} props */
export function Start({ tryQuery }) {
  const { perch, showSources } = useContext(Page);
  const { state } = perch.connection$.value;
  const saved = perch.memory.value.saved.map((entry) => entry.query);
  const [isDemo, setDemo] = useState(false);
  useEffect(() => {
    if (state === 'open') void hasDemo(perch.token).then(setDemo);
  }, [state]);
  const queries = [...new Set([...saved, ...TILES])].slice(0, TILES.length);
  const others = saved.length > TILES.length ? saved.slice(TILES.length, 12) : TRY;
  return html`<div class="start">
    <h2>${t('start.title')}</h2>
    <p>${t('start.text')}</p>
    <ul class="tiles" aria-label=${t('start.tiles')}>
      ${queries.map((query) => html`<${Tile} key=${query} query=${query} tryQuery=${tryQuery} />`)}
    </ul>
    ${isDemo && html`<p class="demo"><b>${t('start.demo')}</b> ${t('start.demo.text')}</p>`}
    <h3>${t(saved.length > TILES.length ? 'search.saved' : 'start.try')}</h3>
    <ul>
      ${others.map((query) => html`<li><button type="button" class="example" dir="auto" onClick=${() => tryQuery(query)}><code>${query}</code></button></li>`)}
    </ul>
    <p class="ends">
      <button type="button" class="small" onClick=${showSources}>${t('sources.title')}</button>
      ${Object.entries(LANGUAGES).map(([language, name]) => language !== LOCALE && html`<button type="button" class="small" lang=${language} onClick=${() => perch.speak(/** @type {any} */ (language))}>${name}</button>`)}
    </p>
  </div>`;
}

/** A search at work. @param {{query: string, tryQuery: (query: string) => void}} props */
function Tile({ query, tryQuery }) {
  const { perch } = useContext(Page);
  const [column, setColumn] = useState(/** @type {Column | null} */ (null));
  useEffect(() => {
    const tile = perch.tile(query);
    setColumn(tile);
    return () => tile.end();
  }, [query]);
  return html`<li class="tile">
    <button type="button" dir="auto" title=${t('start.tile', { query })} onClick=${() => tryQuery(query)}><code>${query}</code></button>
    ${column && html`<${TileBody} column=${column} />`}
  </li>`;
}

/** @param {{column: Column}} props */
function TileBody({ column }) {
  const { perch } = useContext(Page);
  void column.version.value;
  const { total } = column.feed;
  const rate = column.rate(perch.second.value);
  const [newest] = column.feed.view(0, 1);
  return html`<span class="numbers">
      <b>${total === null ? '…' : format.count(total)}</b>
      ${column.phase.value === 'live' && rate >= LEAST_RATE && html`<span>${perSecond(rate)}</span>`}
    </span>
    <${Sparkline} bars=${column.spark?.bars ?? []} />
    ${newest && html`<span class="newest"><bdi class="name">${newest.tweet.name || newest.tweet.screen}</bdi> <bdi>${newest.tweet.text}</bdi></span>`}`;
}
