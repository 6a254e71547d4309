// One tweet. Whatever it says is shown as text.

import { memo } from './memo.js';
import { useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { segments } from '../lib/text.js';
import { hueOf, initials } from '../lib/tweet.js';
import { Page } from './context.js';
import { Icon, format, html } from './html.js';

/** @typedef {import('../lib/column.js').Column} Column */
/** @typedef {import('../lib/feed.js').Item} Item */
/** @typedef {import('../lib/tweet.js').Tweet} Tweet */

/** A picture that could not be loaded is not asked for again by every tweet of the same author. @type {Set<string>} */
const broken = new Set();
const MOST_BROKEN = 2000;

/** @param {{tweet: Tweet}} props */
function Avatar({ tweet }) {
  const [failed, setFailed] = useState('');
  const src = tweet.avatar;
  if (src && src !== failed && !broken.has(src)) {
    const fail = () => {
      if (broken.size > MOST_BROKEN) broken.clear();
      broken.add(src);
      setFailed(src);
    };
    return html`<img class="avatar" src=${src} alt="" width="36" height="36" loading="lazy" decoding="async" referrerpolicy="no-referrer" onError=${fail} />`;
  }
  return html`<span class="avatar initials" style=${{ '--hue': hueOf(tweet.screen) }} aria-hidden="true">${initials(tweet)}</span>`;
}

/** A time that ticks: each second in its first minute, then each half minute. @param {{tweet: Tweet, onJson: () => void}} props */
function Age({ tweet, onJson }) {
  const { perch } = useContext(Page);
  const isYoung = Date.now() - tweet.time < 60_000;
  const now = isYoung ? perch.second.value : perch.minute.value;
  const full = format.full(tweet.time);
  return html`<button class="age" type="button" title=${full} onClick=${onJson}>
    <time datetime=${Number.isFinite(tweet.time) ? new Date(tweet.time).toISOString() : undefined}>${format.age(tweet.time, Math.max(now, isYoung ? 0 : Date.now()))}</time
    ><span class="unseen">${t('tweet.json', { time: full })}</span>
  </button>`;
}

/** A link that searches. @param {{term: string, text: string, kind: string, marked?: boolean, column: Column}} props */
function Term({ term, text, kind, marked, column }) {
  const { searchTerm } = useContext(Page);
  /** @param {MouseEvent} event */
  const onClick = (event) => {
    // With Ctrl or Cmd the browser opens it in a tab of its own.
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    searchTerm(column, term, event.shiftKey || event.altKey);
  };
  return html`<a class=${`term ${kind}`} href=${`?q=${encodeURIComponent(term)}`} title=${t('tweet.term', { term })} onClick=${onClick}
    >${marked ? html`<mark>${text}</mark>` : text}</a
  >`;
}

/** What a search has marked in a text; null while the server has not said its terms. @param {Column} column @param {string} text */
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

/** @param {{tweet: Tweet, column: Column}} props */
function Text({ tweet, column }) {
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
        if (part.kind === 'link') return html`<a class="link" href=${part.href} target="_blank" rel="noopener noreferrer nofollow">${part.text}</a>`;
        return html`<${Term} term=${part.term} text=${part.text} kind=${part.kind} marked=${part.marked} column=${column} />`;
      })}
    </div>
    ${clamp !== 'none' &&
    html`<button type="button" class="quiet more" aria-expanded=${clamp === 'open'} onClick=${() => setClamp(clamp === 'open' ? 'closed' : 'open')}>
      ${t(clamp === 'open' ? 'tweet.less' : 'tweet.more')}
    </button>`}`;
}

/** @param {{name: import('./html.js').IconName, count: number, label: string}} props */
const Count = ({ name, count, label }) =>
  html`<span class=${`count ${name}`} title=${label}><${Icon} name=${name} /><span aria-hidden="true">${format.short(count)}</span><span class="unseen">${label}</span></span>`;

/** @param {'tweet.retweets' | 'tweet.favorites' | 'tweet.followers' | 'tweet.seen' | 'tweet.reach'} key @param {number} n */
const counted = (key, n) => t(key, { n, count: format.count(n) });

/** @param {{item: Item, original: Tweet | null, column: Column, order: string}} props */
function TweetView({ item, original, column, order }) {
  const { showJson } = useContext(Page);
  const [isImageBroken, setImageBroken] = useState(false);
  const { tweet } = item;
  const shown = original ?? tweet;
  const isRetweet = tweet.originalId !== null;
  const image = shown.image;
  const { seen, reach } = item;
  /** What is sorted by is what is shown: of all that came of a tweet, not of this version of it. @param {'retweets' | 'favorites'} name */
  const most = (name) => (order === name ? Math.max(item[name], shown[name]) : shown[name]);
  /** @param {'retweets' | 'favorites'} name @param {import('./html.js').IconName} icon */
  const number = (name, icon) => {
    const n = most(name);
    if (n === 0 && order !== name) return null;
    if (n === shown[name]) return html`<${Count} name=${icon} count=${n} label=${counted(`tweet.${name}`, n)} />`;
    return html`<span class=${`count extra ${icon}`} title=${t('tweet.group.title')}><${Icon} name=${icon} />${t('tweet.group', { count: counted(`tweet.${name}`, n) })}</span>`;
  };
  return html`<article class="tweet" tabindex="-1" data-id=${tweet.id} aria-label=${`${shown.name} @${shown.screen}`}>
    ${isRetweet && html`<div class="context"><${Icon} name="retweet" /><bdi>${t('tweet.retweeted', { name: tweet.name || tweet.screen })}</bdi></div>`}
    <${Avatar} tweet=${shown} />
    <header>
      <bdi class="name">${shown.name || shown.screen}</bdi>
      ${shown.screen && html`<${Term} term=${`from:${shown.screen}`} text=${`@${shown.screen}`} kind="screen" column=${column} />`}
      <${Age} tweet=${tweet} onJson=${() => showJson(tweet)} />
    </header>
    ${shown.replyTo && html`<div class="reply"><bdi>${t('tweet.reply', { name: shown.replyTo })}</bdi></div>`}
    <${Text} key=${shown.id} tweet=${shown} column=${column} />
    ${image &&
    !isImageBroken &&
    html`<a class="image" href=${image.href} target="_blank" rel="noopener noreferrer nofollow">
      <img src=${image.src} alt=${image.alt || t('tweet.image')} loading="lazy" decoding="async" referrerpolicy="no-referrer" onError=${() => setImageBroken(true)} />
    </a>`}
    <footer>
      ${number('retweets', 'retweet')} ${number('favorites', 'heart')}
      ${(tweet.followers > 0 || order === 'followers') && html`<${Count} name="people" count=${tweet.followers} label=${counted('tweet.followers', tweet.followers)} />`}
      ${(order === 'seen' || seen > 1) && html`<span class="count extra">${counted('tweet.seen', seen)}</span>`}
      ${order === 'reach' && html`<span class="count extra">${counted('tweet.reach', reach)}</span>`}
      ${shown.lang && shown.lang !== 'und' && html`<span class="lang">${shown.lang.slice(0, 8)}</span>`}
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
