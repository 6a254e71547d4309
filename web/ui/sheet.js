// A dialog over the page.

import { useEffect, useRef } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { Icon, html } from './html.js';

/**
 * A dialog: the browser keeps the focus in it and closes it with Escape.
 *
 * @param {{title: string, kind: string, onClose: () => void, children?: any}} props
 */
export function Sheet({ title, kind, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  /** A click beside it. @param {MouseEvent} event */
  const onClick = (event) => {
    if (event.target === dialog.current) dialog.current?.close();
  };
  return html`<dialog ref=${dialog} class=${`sheet ${kind}`} aria-labelledby="sheet-title" onClose=${onClose} onClick=${onClick}>
    <header>
      <h2 id="sheet-title">${title}</h2>
      <button type="button" class="bare" aria-label=${t('close')} title=${t('close')} onClick=${() => dialog.current?.close()}><${Icon} name="close" /></button>
    </header>
    <div class="body" tabindex="0">${children}</div>
  </dialog>`;
}
