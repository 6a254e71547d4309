// Where the page begins.

import { Perch } from './lib/state.js';
import { App } from './ui/app.js';
import { html } from './ui/html.js';
import { render } from './vendor/preact.js';
// Views read signals: this makes them be drawn again when one changes.
import './vendor/signals.js';

const perch = new Perch({
  open: () => /** @type {any} */ (new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')))),
  storage: localStorage,
  session: sessionStorage,
});
perch.start();
render(html`<${App} perch=${perch} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
