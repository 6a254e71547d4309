// What opens over the page: help, and a tweet's JSON.

import { useContext, useRef, useState } from '../vendor/hooks.js';
import { LANGUAGES, LOCALE, t } from '../strings.js';
import { exactJson } from '../lib/export.js';
import { Page } from './context.js';
import { copy, html } from './html.js';
import { Sheet } from './sheet.js';

/** @typedef {import('../strings.js').Key} Key */

/** Queries and what they mean. @type {[Key, [string, Key][]][]} */
export const EXAMPLES = [
  [
    'help.words',
    [
      ['java job', 'help.and'],
      ['java (job OR jobs) -unpaid', 'help.or'],
      ['"good morning"', 'help.phrase'],
      ['"good day"~3', 'help.near'],
      ['*', 'help.everything'],
    ],
  ],
  [
    'help.entities',
    [
      ['#rust', 'help.hashtag'],
      ['@user', 'help.mention'],
      ['from:user', 'help.from'],
      ['to:user', 'help.to'],
      ['url:github.com', 'help.url'],
    ],
  ],
  [
    'help.attributes',
    [
      ['lang:en', 'help.lang'],
      ['lang:IN [en de]', 'help.in'],
      ['has:media', 'help.media'],
      ['-is:retweet', 'help.noretweet'],
      ['is:reply', 'help.reply'],
    ],
  ],
  [
    'help.ranges',
    [
      ['followers:>=1000', 'help.followers'],
      ['retweets:[10 TO *]', 'help.retweets'],
      ['since:2024-01-01', 'help.since'],
      ['within:[-0.5 51.3 0.3 51.7]', 'help.within'],
      ['near:[13.4 52.5 5km]', 'help.near.place'],
    ],
  ],
  [
    'help.patterns',
    [
      ['rust*', 'help.prefix'],
      ['colo?r', 'help.wildcard'],
      ['color~1', 'help.fuzzy'],
      ['/joh?n(ath[oa]n)/', 'help.regex'],
    ],
  ],
];

/** @type {[string[], Key][]} */
const KEYS = [
  [['/'], 'keys.search'],
  [['Shift', 'Enter'], 'keys.add'],
  [['j', 'k'], 'keys.jk'],
  [['Enter'], 'keys.inside'],
  [['1', '…', '9'], 'keys.number'],
  [['[', ']'], 'keys.columns'],
  [['n'], 'keys.new'],
  [['x'], 'keys.close'],
  [['z'], 'keys.undo'],
  [['t'], 'keys.top'],
  [['p'], 'keys.pause'],
  [['a'], 'keys.analysis'],
  [['?'], 'keys.help'],
  [['Esc'], 'keys.escape'],
  [['Shift', 'click'], 'keys.shift'],
];

/** @param {{onClose: () => void, onTry: (query: string) => void}} props */
export function Help({ onClose, onTry }) {
  const { perch } = useContext(Page);
  return html`<${Sheet} title=${t('help.title')} kind="side" onClose=${onClose}>
    <p>${t('help.words.text')}</p>
    ${EXAMPLES.map(
      ([title, examples]) => html`<h3>${t(title)}</h3>
        <ul class="examples">
          ${examples.map(
            ([query, meaning]) => html`<li>
              <button type="button" class="example" aria-label=${t('help.try', { query })} onClick=${() => onTry(query)}><code>${query}</code></button>
              <span>${t(meaning)}</span>
            </li>`,
          )}
        </ul>`,
    )}
    <h3>${t('help.keys')}</h3>
    <ul class="keys">
      ${KEYS.map(([keys, meaning]) => html`<li><span>${keys.map((key) => html`<kbd>${key}</kbd> `)}</span><span>${t(meaning)}</span></li>`)}
    </ul>
    <label class="row language"
      >${t('language.title')}
      <select onChange=${(/** @type {any} */ event) => perch.speak(event.target.value)}>
        ${Object.entries(LANGUAGES).map(([language, name]) => html`<option value=${language} lang=${language} selected=${language === LOCALE}>${name}</option>`)}
      </select></label
    >
  <//>`;
}

/** @param {{tweet: import('../lib/tweet.js').Tweet, onClose: () => void}} props */
export function Json({ tweet, onClose }) {
  const { announce } = useContext(Page);
  const [says, setSays] = useState(/** @type {Key} */ ('tweet.copy'));
  const pre = useRef(/** @type {HTMLElement | null} */ (null));
  const text = exactJson(tweet.raw, 2);
  const onCopy = async () => {
    const key = (await copy(text, pre.current)) ? 'tweet.copied' : 'tweet.copy.failed';
    setSays(key);
    announce(t(key));
  };
  return html`<${Sheet} title=${t('tweet.json.title', { id: tweet.id })} kind="middle" onClose=${onClose}>
    <button type="button" class="small copy" onClick=${onCopy}>${t(says)}</button>
    <pre ref=${pre} class="json" dir="ltr">${text}</pre>
  <//>`;
}

/**
 * What to do with a word, a tag or a name, where there is no Shift key.
 *
 * @param {{column: import('../lib/column.js').Column, term: string, onClose: () => void}} props
 */
export function Choice({ column, term, onClose }) {
  const { perch, searchTerm } = useContext(Page);
  const run = (/** @type {() => void} */ act) => () => {
    onClose();
    act();
  };
  return html`<${Sheet} title=${term} kind="middle narrow" onClose=${onClose}>
    <div class="choices">
      <button type="button" class="kind" onClick=${run(() => searchTerm(column, term, false))}>${t('choice.search', { term })}</button>
      <button type="button" class="kind" onClick=${run(() => searchTerm(column, term, true))}>${t('choice.add')}</button>
      <button type="button" class="kind" onClick=${run(() => searchTerm(column, `-${term}`, true))}>${t('choice.without')}</button>
      <button type="button" class="kind" onClick=${run(() => perch.search(term, { own: true }))}>${t('search.add')}</button>
    </div>
  <//>`;
}

/** Asks for the token that the server asks for. @param {{onClose: () => void}} props */
export function Token({ onClose }) {
  const { perch } = useContext(Page);
  const { reason } = perch.connection$.value;
  /** @param {SubmitEvent} event */
  const onSubmit = (event) => {
    event.preventDefault();
    const token = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get('token')).trim();
    if (!token) return;
    perch.authorize(token);
  };
  return html`<${Sheet} title=${t('token.title')} kind="middle narrow" onClose=${onClose}>
    <form class="token" onSubmit=${onSubmit}>
      <p id="token-text">${t('token.text')}</p>
      <input type="password" name="token" aria-label=${t('token.label')} aria-describedby="token-text token-says" autocomplete="off" autofocus required />
      <button type="submit" class="go">${t('token.go')}</button>
      <p id="token-says" class="refused" role="alert">${reason && t('token.refused', { reason })}</p>
    </form>
  <//>`;
}
