// Views of `later.js`: each is there once that file is loaded.

import { useContext, useEffect, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { Page } from './context.js';
import { html } from './html.js';

/** @typedef {typeof import('./later.js')} Later */

/** @type {Later | null} */
let loaded = null;

/**
 * Loads a style.
 *
 * @param {string} href
 * @returns {Promise<void>} fails when it can't be loaded now
 */
const loadStyle = (href) =>
  new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href, onload: () => resolve() });
    link.onerror = () => {
      link.remove();
      reject(new Error(href));
    };
    document.head.append(link);
  });

/** @type {Promise<Later> | null} */
let loading = null;

/** Loads the file and its style, unless they are here. @returns {Promise<Later>} */
export async function loadLater() {
  loading ??= Promise.all([import('./later.js'), loadStyle('later.css')]).then(([later]) => later);
  try {
    loaded = await loading;
  } catch (fault) {
    // Tried again with the next wish.
    loading = null;
    throw fault;
  }
  return loaded;
}

/** @param {keyof Later} name @returns {(props: any) => any} */
export const lazy = (name) =>
  function Lazy(props) {
    const { announce } = useContext(Page);
    const [state, setState] = useState('');
    useEffect(() => {
      if (loaded) return;
      loadLater().then(
        () => setState('loaded'),
        () => {
          setState('failed');
          announce(t('later.failed'));
        },
      );
    }, []);
    if (loaded) return html`<${loaded[name]} ...${props} />`;
    return state === 'failed' ? html`<p class="banner bad failed" role="alert">${t('later.failed')} <button type="button" class="small" onClick=${props.onClose}>${t('close')}</button></p>` : null;
  };
