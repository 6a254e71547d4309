// Where the page begins.

import { takeSocket, takeTweets } from './lib/early.js';
import { Perch } from './lib/state.js';
import { LOCALE } from './strings.js';
import { App } from './ui/app.js';
import { html } from './ui/html.js';
import { render } from './vendor/preact.js';
// Views read signals: this makes them be drawn again when one changes.
import './vendor/signals.js';

/**
 * What start.js has begun; nothing where it could not be loaded.
 *
 * @type {import('./lib/early.js').Early | undefined}
 */
const early = /** @type {any} */ (globalThis).perchEarly;
Object.assign(globalThis, { perchBegun: true });

const perch = new Perch({
  open: () => /** @type {any} */ (takeSocket(early) ?? new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')))),
  storage: localStorage,
  session: sessionStorage,
  newest: (query) => takeTweets(early, query),
});
document.documentElement.lang = LOCALE;
perch.start();
render(html`<${App} perch=${perch} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
