// How to bring tweets of one's own: a sheet with a command for each way.

import { useContext, useRef, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { Page } from './context.js';
import { copy, html } from './html.js';
import { Sheet } from './sheet.js';

/** @typedef {import('../strings.js').Key} Key */

/** @type {[Key, Key, string][]} title, text, command */
const WAYS = [
  ['sources.files', 'sources.files.text', 'perch ingest my-archive.zip'],
  ['sources.bluesky', 'sources.bluesky.text', 'perch serve --source bluesky'],
  ['sources.mastodon', 'sources.mastodon.text', `perch serve --set 'source=[{type="mastodon",instance="mastodon.social",token_file="token"}]'`],
  ['sources.http', 'sources.http.text', `curl --data-binary @tweets.ndjson ${location.origin}/api/tweets`],
];

/** @param {{onClose: () => void}} props */
export const Sources = ({ onClose }) =>
  html`<${Sheet} title=${t('sources.title')} kind="side sources" onClose=${onClose}>
    <p>${t('sources.text')}</p>
    ${WAYS.map(([title, text, command]) => html`<${Way} key=${title} title=${t(title)} text=${t(text)} command=${command} />`)}
  <//>`;

/** @param {{title: string, text: string, command: string}} props */
function Way({ title, text, command }) {
  const { announce } = useContext(Page);
  const [says, setSays] = useState(/** @type {Key} */ ('tweet.copy'));
  const code = useRef(/** @type {HTMLElement | null} */ (null));
  const onCopy = async () => {
    const key = (await copy(command, code.current)) ? 'tweet.copied' : 'tweet.copy.failed';
    setSays(key);
    announce(t(key));
  };
  return html`<section>
    <h3>${title}</h3>
    <p>${text}</p>
    <div class="command">
      <code ref=${code} dir="ltr">${command}</code>
      <button type="button" class="small" aria-label=${`${t(says)}: ${title}`} onClick=${onCopy}>${t(says)}</button>
    </div>
  </section>`;
}
