// One tweet. Whatever it says is shown as text.

import { memo } from './memo.js';
import { useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { segments } from '../lib/text.js';
import { hueOf, initials, isExample } from '../lib/tweet.js';
import { Page } from './context.js';
import { Icon, format, html } from './html.js';

/** @typedef {import('../lib/column.js').Column} Column */
/** @typedef {import('../lib/feed.js').Item} Item */
/** @typedef {import('../lib/tweet.js').Media} Media */
/** @typedef {import('../lib/tweet.js').Tweet} Tweet */

/**
 * A picture that could not be loaded is not asked for again by every tweet of the same author.
 * @type {Set<string>}
 */
const broken = new Set();
const MOST_BROKEN = 2000;

/** @param {string} src */
function remember(src) {
  if (broken.size > MOST_BROKEN) broken.clear();
  broken.add(src);
}

/** @param {{tweet: Tweet}} props */
function Avatar({ tweet }) {
  const [failed, setFailed] = useState('');
  const src = tweet.avatar;
  if (src && src !== failed && !broken.has(src)) {
    const fail = () => {
      remember(src);
      setFailed(src);
    };
    return html`<img class="avatar" src=${src} alt="" width="36" height="36" loading="lazy" decoding="async" referrerpolicy="no-referrer" onError=${fail} />`;
  }
  return html`<span class="avatar initials" style=${{ '--hue': hueOf(tweet.screen) }} aria-hidden="true">${initials(tweet)}</span>`;
}

/**
 * A time that ticks: each second in its first minute, then each half minute.
 * @param {{tweet: Tweet, tab: number, onJson: () => void}} props
 */
function Age({ tweet, tab, onJson }) {
  const { perch } = useContext(Page);
  const isYoung = Date.now() - tweet.time < 60_000;
  const now = isYoung ? perch.second.value : perch.minute.value;
  const full = format.full(tweet.time);
  return html`<button class="age" type="button" tabindex=${tab} title=${full} onClick=${onJson}>
    <time datetime=${Number.isFinite(tweet.time) ? new Date(tweet.time).toISOString() : undefined}>${format.age(tweet.time, Math.max(now, isYoung ? 0 : Date.now()))}</time
    ><span class="unseen">${t('tweet.json', { time: full })}</span>
  </button>`;
}

/**
 * A link that searches.
 * @param {{term: string, text: string, kind: string, marked?: boolean, column: Column, tab:
 *   number}} props
 */
function Term({ term, text, kind, marked, column, tab }) {
  const { searchTerm, chooseTerm } = useContext(Page);
  /** @param {MouseEvent} event */
  const onClick = (event) => {
    // With Ctrl or Cmd the browser opens it in a tab of its own.
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    // A finger has no Shift key.
    if (/** @type {PointerEvent} */ (event).pointerType === 'touch') chooseTerm(column, term);
    else searchTerm(column, term, event.shiftKey || event.altKey);
  };
  return html`<a class=${`term ${kind}`} href=${`?q=${encodeURIComponent(term)}`} tabindex=${tab} title=${t('tweet.term', { term })} onClick=${onClick}
    >${marked ? html`<mark>${text}</mark>` : text}</a
  >`;
}

/**
 * What a search has marked in a text; null while the server has not said its terms.
 * @param {Column} column
 * @param {string} text
 */
function useMarked({ marks }, text) {
  const { analyzer } = useContext(Page).perch;
  const [marked, setMarked] = useState(/** @type {import('../lib/marks.js').Marked | null} */ (null));
  useEffect(() => {
    if (marks.texts.length === 0) return undefined;
    let isShown = true;
    void analyzer.load([...marks.texts, text]).then(() => {
      const terms = analyzer.known(text);
      if (isShown && terms && marks.texts.every((text) => analyzer.known(text))) setMarked(marks.in(terms, (text) => analyzer.known(text) ?? []));
    });
    return () => {
      isShown = false;
    };
  }, [marks, text]);
  return marked;
}

/** @param {{tweet: Tweet, column: Column, tab: number}} props */
function Text({ tweet, column, tab }) {
  const marked = useMarked(column, tweet.text);
  const parts = useMemo(() => segments(tweet.text, tweet.links, marked), [tweet, marked]);
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [clamp, setClamp] = useState(tweet.text.length > 400 || (tweet.text.match(/\n/g)?.length ?? 0) > 11 ? 'closed' : 'none');
  useLayoutEffect(() => {
    const element = ref.current;
    if (clamp === 'closed' && element && element.scrollHeight <= element.clientHeight + 2) setClamp('none');
  }, []);
  return html`<div ref=${ref} class=${`text ${clamp}`} dir="auto">
      ${parts.map((part) => {
        if (part.kind === 'text') return part.text;
        if (part.kind === 'mark') return html`<mark>${part.text}</mark>`;
        if (part.kind === 'link') return html`<a class="link" href=${part.href} tabindex=${tab} target="_blank" rel="noopener noreferrer nofollow">${part.text}</a>`;
        return html`<${Term} term=${part.term} text=${part.text} kind=${part.kind} marked=${part.marked} column=${column} tab=${tab} />`;
      })}
    </div>
    ${clamp !== 'none' &&
    html`<button type="button" class="quiet more" tabindex=${tab} aria-expanded=${clamp === 'open'} onClick=${() => setClamp(clamp === 'open' ? 'closed' : 'open')}>
      ${t(clamp === 'open' ? 'tweet.less' : 'tweet.more')}
    </button>`}`;
}

/**
 * The name of an author, with a way to their page where there is one.
 * @param {{tweet: Tweet, tab: number}} props
 */
const Name = ({ tweet, tab }) =>
  tweet.userHref
    ? html`<a class="name" href=${tweet.userHref} tabindex=${tab} target="_blank" rel="noopener noreferrer nofollow" title=${t('tweet.author', { name: tweet.name || tweet.screen })}><bdi>${tweet.name || tweet.screen}</bdi></a>`
    : html`<bdi class="name">${tweet.name || tweet.screen}</bdi>`;

/**
 * Pictures and videos. Those that are warned of are covered, and not loaded, until one asks for
 * them.
 *
 * @param {{tweet: Tweet, tab: number}} props
 */
function MediaGrid({ tweet: { media, isSensitive }, tab }) {
  const [isCovered, setCovered] = useState(isSensitive);
  if (isCovered) return html`<button type="button" class="cover" tabindex=${tab} onClick=${() => setCovered(false)}>${t('tweet.sensitive', { n: media.length })}</button>`;
  return html`<div class=${`media n${media.length}`}>${media.map((one) => html`<${Picture} key=${one.src} media=${one} tab=${tab} />`)}</div>`;
}

/**
 * The options of a poll. Who chose which is known where it was asked only.
 *
 * @param {{options: string[]}} props
 */
const Poll = ({ options }) => html`<ul class="poll" aria-label=${t('tweet.poll')}>${options.map((option) => html`<li dir="auto">${option}</li>`)}</ul>`;

/**
 * A small picture for one of the demo source, which has none. It is drawn here, always the same for
 * the same address.
 *
 * @param {{seed: string, label: string}} props
 */
function Landscape({ seed, label }) {
  const hue = hueOf(seed);
  const [sun, hill] = [40 + (hue % 220), 90 + (hue % 50)];
  return html`<svg class="landscape" viewBox="0 0 300 160" preserveAspectRatio="xMidYMid slice" role="img" aria-label=${label} style=${{ '--hue': hue }}>
    <rect class="sky" width="300" height="160" />
    <circle class="sun" cx=${sun} cy="54" r="22" />
    <path class="far" d=${`M0 ${hill} Q75 ${hill - 70} 150 ${hill} T300 ${hill - 20} V160 H0Z`} />
    <path class="near" d=${`M0 ${hill + 22} Q90 ${hill - 24} 180 ${hill + 24} T300 ${hill + 6} V160 H0Z`} />
  </svg>`;
}

/**
 * A picture, or the first one of a video. Where it can't be loaded, what it shows is said, if its
 * author has said it.
 * @param {{media: Media, tab: number}} props
 */
function Picture({ media: { kind, src, href, alt }, tab }) {
  const [isBroken, setBroken] = useState(broken.has(src));
  if (isExample(src)) return html`<${Landscape} seed=${src} label=${alt || t('tweet.image.demo')} />`;
  const label = t(kind === 'video' ? 'tweet.video' : 'tweet.image');
  if (isBroken && !alt) return null;
  const fail = () => {
    remember(src);
    setBroken(true);
  };
  return html`<a class=${`image ${kind} ${isBroken ? 'broken' : ''}`} href=${href} tabindex=${tab} target="_blank" rel="noopener noreferrer nofollow" title=${alt || undefined}>
    ${isBroken ? html`<span>${label}: ${alt}</span>` : html`<img src=${src} alt=${alt || label} loading="lazy" decoding="async" referrerpolicy="no-referrer" onError=${fail} />`}
    ${kind === 'video' && !isBroken && html`<span class="play"><${Icon} name="play" /><span class="unseen">${t('tweet.video')}</span></span>`}
  </a>`;
}

/** @param {{tweet: Tweet, column: Column, tab: number}} props */
function Quoted({ tweet, column, tab }) {
  return html`<blockquote class="quoted">
    <header><${Name} tweet=${tweet} tab=${tab} /> ${tweet.screen && html`<${Term} term=${`from:${tweet.screen}`} text=${`@${tweet.screen}`} kind="screen" column=${column} tab=${tab} />`}</header>
    <${Text} key=${tweet.id} tweet=${tweet} column=${column} tab=${tab} />
    ${tweet.media.length > 0 && html`<${MediaGrid} tweet=${tweet} tab=${tab} />`}
  </blockquote>`;
}

/** @param {{name: import('./html.js').IconName, count: number, label: string}} props */
const Count = ({ name, count, label }) =>
  html`<span class=${`count ${name}`} title=${label}><${Icon} name=${name} /><span aria-hidden="true">${format.short(count)}</span><span class="unseen">${label}</span></span>`;

/**
 * @param {'tweet.retweets' | 'tweet.favorites' | 'tweet.followers' | 'tweet.seen' | 'tweet.reach'}
 *   key
 * @param {number} n
 */
const counted = (key, n) => t(key, { n, count: format.count(n) });

/**
 * One stop of the Tab key for a tweet: Enter goes to what is in it, Escape comes back.
 */
function useInside() {
  const [isInside, setInside] = useState(false);
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (isInside) /** @type {HTMLElement | null | undefined} */ (element.current?.querySelector('a, button'))?.focus();
  }, [isInside]);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const isOn = event.target === element.current;
    if (event.key === 'Enter' && isOn) setInside(true);
    else if (event.key === 'Escape' && !isOn) element.current?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  /** @param {FocusEvent} event */
  const onFocusOut = (event) => {
    const next = /** @type {Node | null} */ (event.relatedTarget);
    if (next === element.current || !element.current?.contains(next)) setInside(false);
  };
  return { tab: isInside ? 0 : -1, element, onKeyDown, onFocusOut };
}

/** @param {{item: Item, original: Tweet | null, column: Column, order: string}} props */
function TweetView({ item, original, column, order }) {
  const { showJson } = useContext(Page);
  const { tab, element, onKeyDown, onFocusOut } = useInside();
  const { tweet } = item;
  const shown = original ?? tweet;
  const isRetweet = tweet.originalId !== null;
  const { seen, reach } = item;
  /**
   * What is sorted by is what is shown: of all that came of a tweet, not of this version of it.
   * @param {'retweets' | 'favorites'} name
   */
  const most = (name) => (order === name ? Math.max(item[name], shown[name]) : shown[name]);
  /** @param {'retweets' | 'favorites'} name @param {import('./html.js').IconName} icon */
  const number = (name, icon) => {
    const n = most(name);
    if (n === 0 && order !== name) return null;
    if (n === shown[name]) return html`<${Count} name=${icon} count=${n} label=${counted(`tweet.${name}`, n)} />`;
    return html`<span class=${`count extra ${icon}`} title=${t('tweet.group.title')}><${Icon} name=${icon} />${t('tweet.group', { count: counted(`tweet.${name}`, n) })}</span>`;
  };
  return html`<article ref=${element} class="tweet" tabindex="0" onKeyDown=${onKeyDown} onFocusOut=${onFocusOut} data-id=${tweet.id} aria-label=${`${shown.name} @${shown.screen}`}>
    ${isRetweet && html`<div class="context"><${Icon} name="retweet" /><bdi>${t('tweet.retweeted', { name: tweet.name || tweet.screen })}</bdi></div>`}
    <${Avatar} tweet=${shown} />
    <header>
      <${Name} tweet=${shown} tab=${tab} />
      ${shown.screen && html`<${Term} term=${`from:${shown.screen}`} text=${`@${shown.screen}`} kind="screen" column=${column} tab=${tab} />`}
      <${Age} tweet=${tweet} tab=${tab} onJson=${() => showJson(tweet)} />
    </header>
    ${shown.replyTo && html`<div class="reply"><bdi>${t('tweet.reply', { name: shown.replyTo })}</bdi></div>`}
    <${Text} key=${shown.id} tweet=${shown} column=${column} tab=${tab} />
    ${shown.poll.length > 0 && html`<${Poll} options=${shown.poll} />`}
    ${shown.media.length > 0 && html`<${MediaGrid} key=${`media ${shown.id}`} tweet=${shown} tab=${tab} />`}
    ${shown.quoted && html`<${Quoted} tweet=${shown.quoted} column=${column} tab=${tab} />`}
    <footer>
      ${number('retweets', 'retweet')} ${number('favorites', 'heart')}
      ${(tweet.followers > 0 || order === 'followers') && html`<${Count} name="people" count=${tweet.followers} label=${counted('tweet.followers', tweet.followers)} />`}
      ${(order === 'seen' || seen > 1) && html`<span class="count extra">${counted('tweet.seen', seen)}</span>`}
      ${order === 'reach' && html`<span class="count extra">${counted('tweet.reach', reach)}</span>`}
      <span class="ends">
        ${shown.lang && shown.lang !== 'und' && html`<span class="lang">${shown.lang.slice(0, 8)}</span>`}
        ${shown.href &&
        html`<a class="out" href=${shown.href} tabindex=${tab} target="_blank" rel="noopener noreferrer nofollow" title=${t('tweet.open')} aria-label=${t('tweet.open')}><${Icon} name="out" /></a>`}
      </span>
    </footer>
  </article>`;
}

const COMPARED = /** @type {const} */ (['tweet', 'seen', 'reach', 'retweets', 'favorites']);

/** Drawn again only when something that it shows has changed. */
export const TweetItem = memo(
  TweetView,
  (/** @type {any} */ a, /** @type {any} */ b) =>
    COMPARED.every((name) => a.item[name] === b.item[name]) && a.original === b.original && a.column === b.column && a.order === b.order,
);
