// What a search is about: over time, in words, tags, people and languages.

import { useContext, useEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { LOCALE, t } from '../strings.js';
import { layout } from '../lib/cloud.js';
import { barsSvg, cloudSvg, pngOf } from '../lib/picture.js';
import { countsOf } from '../lib/spread.js';
import { barsOf, histogram } from '../lib/timeline.js';
import { isTelling, spellings, spokenText, topSpelled, trends } from '../lib/words.js';
import { Page } from './context.js';
import { Icon, fileName, format, html, saveBlob, saveFile } from './html.js';

/** @typedef {import('../lib/column.js').Column} Column */

/** The chart's library is large, and many a visit draws no chart. */
const loadChart = () => import('../vendor/uplot.js').then((module) => module.default);

/** @typedef {import('../vendor/uplot.js').default} uPlot */

const CHART_HEIGHT = 130;
const CLOUD = { width: 380, height: 230 };
const CLOUD_WORDS = 60;
const TOP = 8;
/** The words of the cloud move only so often: one wants to read them. In refreshes of the panel. */
const CLOUD_EVERY = 5;

/** @returns {import('../lib/picture.js').Colors} */
function colorsNow() {
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return { text: color('--ink'), faint: color('--faint'), back: color('--card'), colors: ['--chart-1', '--chart-2', '--chart-3', '--chart-4', '--chart-5'].map(color) };
}

/** @param {{column: Column, onClose: () => void}} props */
export function Analysis({ column, onClose }) {
  const { perch, searchTerm } = useContext(Page);
  const found = useFound(column);
  const { theme } = perch.memory.value;
  /** @param {string} term */
  const add = (term) => searchTerm(column, term, true);
  const scope = (/** @type {boolean} */ isLoaded) =>
    found.all === null || isLoaded ? t('analysis.loaded', { n: found.loaded, count: format.count(found.loaded) }) : t('analysis.all', { n: found.all, count: format.count(found.all) });
  return html`<aside class="analysis" aria-label=${t('analysis.title')}>
    <header>
      <h2>${t('analysis.title')}</h2>
      <span class="of" title=${t('analysis.counted.title')}>${scope(false)}${found.countedAt !== null && `, ${t('analysis.counted', { time: format.clock(found.countedAt) })}`}</span>
      <button type="button" class="bare" aria-label=${t('close')} title=${t('close')} onClick=${onClose}><${Icon} name="close" /></button>
    </header>
    <div class="body" tabindex="0" role="group" aria-label=${t('analysis.title')}>
      ${found.loaded === 0
        ? html`<p class="notice">${t('analysis.nothing')}</p>`
        : html`<${Time} key=${theme} column=${column} data=${found.time} />
            <${Cloud} words=${found.cloud} add=${add} column=${column} />
            <${Words} words=${found.words} trends=${found.trends} add=${add} scope=${found.areWordsLoaded && found.all !== null ? scope(true) : ''} />
            <${Bars} title=${t('analysis.hashtags')} counts=${found.hashtags} search=${(/** @type {string} */ term) => `#${term}`} add=${add} />
            <${Bars} title=${t('analysis.authors')} counts=${found.authors} search=${(/** @type {string} */ term) => `from:${term}`} add=${add} />
            <${Bars} title=${t('analysis.languages')} counts=${found.languages} search=${(/** @type {string} */ term) => `lang:${term}`} add=${add} />`}
    </div>
  </aside>`;
}

/** How many loaded tweets are looked through for how a word is spelled. */
const SPELLED = 500;
/**
 * With fewer words than this, those of scripts without spaces are counted, as far as tweets are
 * loaded.
 */
const FEW_WORDS = 6;

/** So many tweets say something by how often they say it. */
const SOME = 20;
const NEARLY_ALL = 0.9;

/** A word that is in fewer tweets than this goes nowhere: it is there by chance. */
const TREND_COUNT = 5;

/** Trends are of the newest tweets. */
const TRENDING = 2000;

/** @param {Column} column @param {import('../lib/analyzer.js').Analyzer} analyzer */
function foundIn(column, analyzer) {
  column.analyze();
  const { tweets } = column.feed;
  const { time, counts: all } = column.spread ?? { time: null, counts: null };
  const counts = all ?? countsOf(tweets);
  const n = time?.total ?? tweets.length;
  const mentions = new Map(counts.mentions.map(({ term, count }) => [term, count]));
  // What was searched for is known, what nearly every tweet says tells nothing apart, what one of
  // many says is chance, and a name that is mostly mentioned is no word.
  const own = new Set(column.marks.texts.flatMap((text) => (analyzer.known(text) ?? []).map(({ term }) => term)));
  const fits = (/** @type {string} */ term, /** @type {number} */ count) =>
    isTelling(term) && !own.has(term) && (n < SOME || (count > 1 && count < n * NEARLY_ALL)) && (mentions.get(term) ?? 0) * 2 < count;
  const words = counts.words.filter(({ term, count }) => fits(term, count)).slice(0, CLOUD_WORDS);
  const newest = tweets.slice(0, SPELLED);
  const trending = tweets.slice(0, TRENDING);
  const spelling = spellings(words.map(({ term }) => term), newest, analyzer);
  const ofLoaded = words.length < FEW_WORDS ? topSpelled(trending, CLOUD_WORDS, analyzer).filter(({ term, count }) => !own.has(term) && (tweets.length < SOME || count > 1)) : [];
  const areWordsLoaded = ofLoaded.length > words.length;
  const cloud = areWordsLoaded ? labelled(ofLoaded, (term) => term) : labelled(words, (term) => spelling.get(term) ?? term);
  const top = cloud.slice(0, 12);
  const screens = new Map(newest.map(({ screen }) => [screen.toLowerCase(), screen]));
  const tags = new Map(newest.flatMap(({ hashtags }) => hashtags.map((tag) => [termOf(tag, analyzer), tag])));
  return {
    loaded: tweets.length,
    all: time?.total ?? null,
    countedAt: column.spread?.countedAt ?? null,
    time: time ? barsOf(time) : histogram(tweets.map((tweet) => tweet.time)),
    cloud,
    words: top,
    areWordsLoaded,
    trends: areWordsLoaded ? null : trends(trending, top.map(({ term }) => term), analyzer),
    hashtags: labelled(counts.hashtags.slice(0, TOP), (term) => `#${tags.get(term) ?? term}`),
    authors: labelled(counts.authors.slice(0, TOP), (term) => `@${screens.get(term) ?? term}`),
    languages: labelled(counts.languages.slice(0, TOP), languageName),
  };
}

/**
 * The term of a hashtag, as far as it is known.
 * @param {string} tag
 * @param {import('../lib/analyzer.js').Analyzer} analyzer
 */
function termOf(tag, analyzer) {
  const terms = analyzer.known(tag);
  return (terms?.length === 1 && terms[0]?.term) || tag.toLowerCase();
}

/**
 * Asks for the terms of what {@link foundIn} looks at.
 * @param {Column} column
 * @param {import('../lib/analyzer.js').Analyzer} analyzer
 * @returns null when all are known
 */
function loadTerms(column, analyzer) {
  const newest = column.feed.tweets.slice(0, TRENDING);
  const texts = [...column.marks.texts, ...newest.flatMap((tweet, at) => [tweet.text, spokenText(tweet), ...(at < SPELLED ? tweet.hashtags : [])])];
  return texts.every((text) => analyzer.known(text)) ? null : analyzer.load(texts);
}

/** @typedef {import('../lib/spread.js').Count & {label: string}} Labelled */

/**
 * @param {import('../lib/spread.js').Count[]} counts
 * @param {(term: string) => string} label
 * @returns {Labelled[]}
 */
const labelled = (counts, label) => counts.map((count) => ({ ...count, label: label(count.term) }));

const languageNames = new Intl.DisplayNames(LOCALE, { type: 'language', fallback: 'code' });

/** @param {string} code */
function languageName(code) {
  try {
    return (code === 'und' && t('analysis.language.unknown')) || languageNames.of(code) || code;
  } catch {
    return code;
  }
}

/**
 * Looked at anew each second, when there is something new, and as soon as the server has counted.
 * @param {Column} column
 */
function useFound(column) {
  const { perch } = useContext(Page);
  const { analyzer } = perch;
  const [found, setFound] = useState(() => foundIn(column, analyzer));
  const last = useRef({ version: -1, turn: 0 });
  useEffect(() => {
    let isShown = true;
    const look = () => {
      last.current.version = column.version.peek();
      last.current.turn++;
      setFound((before) => {
        const next = foundIn(column, analyzer);
        const isSteady = before.cloud.length >= 20 && before.all !== null && last.current.turn % CLOUD_EVERY !== 0;
        return isSteady ? { ...next, cloud: before.cloud } : next;
      });
    };
    const refresh = () => {
      // Counts that had to wait are asked for now.
      column.analyze();
      if (column.version.peek() === last.current.version) return;
      update();
    };
    /** Also where counts have come before the terms of the tweets that they count. */
    const update = () => {
      look();
      void loadTerms(column, analyzer)?.then(() => isShown && look());
    };
    /** @type {import('../lib/spread.js').Counts | null} */
    let counts = null;
    const stops = [
      perch.second.subscribe(refresh),
      column.version.subscribe(() => {
        column.analyze();
        const now = column.spread?.counts ?? null;
        if (now === counts) return;
        counts = now;
        update();
      }),
    ];
    return () => {
      isShown = false;
      stops.forEach((stop) => stop());
    };
  }, [column]);
  return found;
}

/** @param {{name: string, svg: () => string}} props */
function Save({ name, svg }) {
  const png = async () => saveBlob(`${name}.png`, await pngOf(svg()));
  return html`<span class="save">
    <button type="button" class="small" aria-label=${t('analysis.save', { format: 'SVG' })} onClick=${() => saveFile(`${name}.svg`, svg(), 'image/svg+xml')}>${t('analysis.svg')}</button>
    <button type="button" class="small" aria-label=${t('analysis.save', { format: 'PNG' })} onClick=${png}>${t('analysis.png')}</button>
  </span>`;
}

/** @param {{column: Column, data: import('../lib/timeline.js').Bars}} props */
function Time({ column, data }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const dark = document.documentElement.dataset.theme;
  const legend = useRef(/** @type {HTMLElement | null} */ (null));
  const numbers = () => /** @type {uPlot.AlignedData} */ ([data.starts.map((time) => time / 1000), data.counts]);
  const [Chart, setChart] = useState(/** @type {typeof uPlot | null} */ (null));
  useEffect(() => {
    let isShown = true;
    void loadChart().then((chart) => isShown && setChart(() => chart));
    return () => {
      isShown = false;
    };
  }, []);
  useEffect(() => {
    const element = place.current;
    if (!element || !Chart) return undefined;
    const colors = colorsNow();
    const axis = { stroke: colors.faint, grid: { stroke: colors.faint, width: 0.25 }, ticks: { show: false }, font: '11px system-ui' };
    const width = () => Math.max(200, element.clientWidth);
    const drawn = new Chart(
      {
        width: width(),
        height: CHART_HEIGHT,
        padding: [8, 26, 0, 0],
        legend: { show: false },
        hooks: { setCursor: [(drawn) => point(drawn.cursor.idx ?? null)] },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max)] } },
        axes: [
          { ...axis, space: 84, size: 28, values: (_plot, splits, _axis, _space, step) => splits.map((time) => format.tick(time * 1000, step * 1000)) },
          { ...axis, size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000], space: 26 },
        ],
        series: [
          {},
          {
            fill: colors.colors[0],
            stroke: colors.colors[0],
            width: 0,
            points: { show: false },
            paths: Chart.paths.bars?.({ size: [0.8, 60], align: 1 }),
          },
        ],
      },
      numbers(),
      element,
    );
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.setSize({ width: width(), height: CHART_HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      drawn.destroy();
    };
  }, [dark, Chart]);
  useEffect(() => plot.current?.setData(numbers()), [data]);
  const last = data.starts[data.starts.length - 1] ?? NaN;
  const about = () => {
    const values = { interval: format.interval(data.interval), zone: Number.isFinite(last) ? format.zone(last) : '' };
    const earlier = data.earlier > 0 ? `, ${t('analysis.earlier', { n: data.earlier, count: format.count(data.earlier) })}` : '';
    return t('analysis.bar', values) + earlier;
  };
  /**
   * Says what the bar under the pointer is, or how long each is. Not drawn by the view: it follows
   * the pointer.
   * @param {number | null} at
   */
  const point = (at) => {
    const [starts, counts] = plot.current?.data ?? numbers();
    const start = at === null ? undefined : starts[at];
    const text = at === null || start === undefined ? about() : `${format.full(start * 1000)}: ${format.count(counts?.[at] ?? 0)}`;
    if (legend.current) legend.current.textContent = text;
  };
  useEffect(() => point(null), [data.interval, data.earlier]);
  const n = data.counts.reduce((sum, count) => sum + count, 0);
  const values = { n: format.count(n), from: format.full(data.starts[0] ?? NaN), to: format.full(last) };
  const svg = () => barsSvg(data, { width: 720, height: 240, colors: colorsNow(), title: `${column.query} – ${t('analysis.time')}`, label: format.full });
  return html`<section>
    <h3>
      <span>${t('analysis.time')}</span>
      <${Save} name=${`${fileName(column.query)}-time`} svg=${svg} />
    </h3>
    <p class="legend" ref=${legend}></p>
    <div class="plot" ref=${place} role="img" aria-label=${t('analysis.summary', values)}></div>
  </section>`;
}

/** @type {CanvasRenderingContext2D | null} */
let ruler = null;
/** @param {string} text @param {number} size */
function measure(text, size) {
  ruler ??= document.createElement('canvas').getContext('2d');
  if (!ruler) return text.length * size * 0.6;
  ruler.font = `600 ${size}px system-ui, sans-serif`;
  return ruler.measureText(text).width;
}

/** @param {{words: Labelled[], add: (term: string) => void, column: Column}} props */
function Cloud({ words, add, column }) {
  const placed = useMemo(() => layout(words.map(({ label, count }) => ({ text: label, count })), { ...CLOUD, measure }), [words]);
  if (placed.length === 0) return null;
  const svg = () => cloudSvg(placed, { ...CLOUD, colors: colorsNow() });
  return html`<section>
    <h3>${t('analysis.cloud')}<${Save} name=${`${fileName(column.query)}-words`} svg=${svg} /></h3>
    <svg class="cloud" viewBox=${`${-CLOUD.width / 2} ${-CLOUD.height / 2} ${CLOUD.width} ${CLOUD.height}`} role="group" aria-label=${t('analysis.cloud')}>
      ${placed.map(
        ({ text, size, x, y }, at) => html`<text
          key=${text}
          class=${`word c${(at % 5) + 1}`}
          x=${x.toFixed(1)}
          y=${y.toFixed(1)}
          font-size=${size}
          role="button"
          tabindex=${at === 0 ? 0 : -1}
          aria-label=${t('analysis.add', { term: text })}
          onClick=${() => add(text)}
          onKeyDown=${(/** @type {KeyboardEvent} */ event) => onWordKey(event, () => add(text))}
        >
          ${text}
        </text>`,
      )}
    </svg>
  </section>`;
}

/**
 * Enter takes the word; arrows go from word to word.
 * @param {KeyboardEvent} event
 * @param {() => void} take
 */
function onWordKey(event, take) {
  const element = /** @type {Element} */ (event.currentTarget);
  const next = event.key === 'ArrowRight' || event.key === 'ArrowDown' ? element.nextElementSibling : event.key === 'ArrowLeft' || event.key === 'ArrowUp' ? element.previousElementSibling : null;
  if (event.key === 'Enter' || event.key === ' ') take();
  else if (next) /** @type {SVGElement} */ (next).focus();
  else return;
  event.preventDefault();
}

const TREND_ICONS = /** @type {const} */ ({ 1: 'up', 0: 'flat', '-1': 'down' });

/**
 * @param {{words: Labelled[], trends: Map<string, {long: import('../lib/words.js').Direction,
 *   short: import('../lib/words.js').Direction}> | null, add: (term: string) => void, scope:
 *   string}} props
 */
function Words({ words, trends, add, scope }) {
  return html`<${Bars}
    title=${t('analysis.words')}
    scope=${scope}
    counts=${words}
    add=${add}
    extra=${trends &&
    ((/** @type {Labelled} */ { term, count }) => {
      if (count < TREND_COUNT) return null;
      const { long, short } = trends.get(term) ?? { long: 0, short: 0 };
      const label = t('analysis.trend', { long: t(`trend.${TREND_ICONS[long]}`), short: t(`trend.${TREND_ICONS[short]}`) });
      return html`<span class="trends" title=${label}
        ><span class=${`trend ${TREND_ICONS[long]}`}><${Icon} name=${TREND_ICONS[long]} /></span><span class=${`trend ${TREND_ICONS[short]}`}><${Icon} name=${TREND_ICONS[short]} /></span
        ><span class="unseen">${label}</span></span
      >`;
    })}
  />`;
}

/**
 * @param {{title: string, counts: Labelled[], add: (term: string) => void, search?: (term: string)
 *   => string, scope?: string, extra?: ((count: Labelled) => any) | null}} props
 */
function Bars({ title, counts, add, search = (term) => term, scope = '', extra }) {
  if (counts.length === 0) return null;
  const most = counts[0]?.count ?? 1;
  return html`<section>
    <h3>${title}${scope && html`<span class="scope">${scope}</span>`}</h3>
    <ul class="bars">
      ${counts.map(
        (count) => html`<li key=${count.term}>
          <button type="button" data-term=${search(count.term)} title=${t('analysis.add', { term: count.label })} onClick=${() => add(search(count.term))}>
            <span class="bar" style=${{ width: `${((count.count / most) * 100).toFixed(1)}%` }}></span><bdi>${count.label}</bdi>
          </button>
          ${extra?.(count)}<span class="n">${format.count(count.count)}</span>
        </li>`,
      )}
    </ul>
  </section>`;
}
