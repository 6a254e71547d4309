// The feeds of a saved search in its form: who may read them, and where they are.

import { useContext, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { faultOf, feedsOf } from '../lib/saved.js';
import { Page } from './context.js';
import { copy, html } from './html.js';

/** @typedef {import('../lib/saved.js').FeedUrls} FeedUrls */
/** @typedef {import('../lib/saved.js').SavedSearch} SavedSearch */

/**
 * @param {object} props
 * @param {SavedSearch | null} props.known the search as the form knows it; null while it is not
 *   saved
 * @param {(known: SavedSearch) => void} props.setKnown
 * @param {string} props.name
 * @param {boolean} props.isPublic
 * @param {(isPublic: boolean) => void} props.setPublic
 */
export function FeedPart({ known, setKnown, name, isPublic, setPublic }) {
  return html`<h3>${t('feed.title')}</h3>
    <label class="row check">${t('saved.public')}<input type="checkbox" checked=${isPublic} onChange=${(/** @type {any} */ event) => setPublic(event.target.checked)} /></label>
    ${isPublic && name && html`<${Urls} urls=${feedsOf(name)} />${!known?.public && html`<p class="hint">${t('feed.public.later')}</p>`}`}
    ${!isPublic && !known && html`<p class="hint">${t('feed.secret.later')}</p>`}
    ${known && (!isPublic || known.has_feed_token) && html`<${Secret} known=${known} setKnown=${setKnown} />`}`;
}

/**
 * The feeds that need their secret URL.
 *
 * @param {{known: SavedSearch, setKnown: (known: SavedSearch) => void}} props
 */
function Secret({ known, setKnown }) {
  const { perch, announce } = useContext(Page);
  const [urls, setUrls] = useState(/** @type {FeedUrls | null} */ (null));
  const [says, setSays] = useState('');
  const [isBusy, setBusy] = useState(false);
  /** @param {() => Promise<SavedSearch>} act */
  const run = (act) => async () => {
    setBusy(true);
    setSays('');
    try {
      const search = await act();
      // A token is a change too. One by somebody else in between is still noticed when the form is
      // saved.
      if (search.revision === known.revision + 1) setKnown(search);
    } catch (fault) {
      setSays(faultOf(fault).message);
    }
    setBusy(false);
  };
  const make = run(async () => {
    const made = await perch.saved.makeFeed(known.name);
    setUrls(made.urls);
    announce(t('feed.secret.made'));
    return made.search;
  });
  const revoke = run(async () => {
    const search = await perch.saved.revokeFeed(known.name);
    setUrls(null);
    announce(t('feed.secret.revoked'));
    return search;
  });
  const has = known.has_feed_token;
  return html`<p class="hint">${t(urls ? 'feed.secret.made' : has ? 'feed.secret.some' : 'feed.secret.none')}</p>
    ${urls && html`<${Urls} urls=${urls} />`}
    <div class="acts">
      <button type="button" class="small" disabled=${isBusy} onClick=${make}>${t(has ? 'feed.secret.again' : 'feed.secret.make')}</button>
      ${has && html`<button type="button" class="small" disabled=${isBusy} onClick=${revoke}>${t('feed.secret.revoke')}</button>`}
    </div>
    <p class="refused" role="alert">${says}</p>`;
}

/** @param {{urls: FeedUrls}} props */
const Urls = ({ urls }) => html`<ul class="urls">
  <${Url} kind=${t('feed.atom')} url=${urls.atom} />
  <${Url} kind=${t('feed.json')} url=${urls.json} />
</ul>`;

/** @param {{kind: string, url: string}} props url: absolute, or relative to the page */
function Url({ kind, url }) {
  const { announce } = useContext(Page);
  const [says, setSays] = useState(/** @type {import('../strings.js').Key} */ ('tweet.copy'));
  const link = useRef(/** @type {HTMLElement | null} */ (null));
  const { href } = new URL(url, document.baseURI);
  const onCopy = async () => {
    const key = (await copy(href, link.current)) ? 'tweet.copied' : 'tweet.copy.failed';
    setSays(key);
    announce(t(key));
  };
  return html`<li>
    <b>${kind}</b> <a ref=${link} href=${href} target="_blank" rel="noopener">${href}</a>
    <button type="button" class="small" aria-label=${`${t(says)}: ${kind}`} onClick=${onCopy}>${t(says)}</button>
  </li>`;
}
