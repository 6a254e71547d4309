// The list of completions below the search field: a combobox as ARIA describes it. The focus stays
// in the field.

import { useEffect, useState } from '../vendor/hooks.js';
import { t } from '../strings.js';
import { complete, isCompletable } from '../lib/suggest.js';
import { format, html } from './html.js';

/** @typedef {import('../lib/suggest.js').Completions} Completions */
/** @typedef {import('../lib/suggest.js').Item} Item */

/** So long nothing is typed before completions are asked for. */
const PAUSE_MS = 60;

/** The id of the list, which the field names. */
export const LIST_ID = 'search-completions';

/** @param {number} at */
const optionId = (at) => `${LIST_ID}-${at}`;

/**
 * What the field says about the list.
 * @param {Completions | null} completions
 * @param {number} active
 */
export const comboboxAttributes = (completions, active) => ({
  role: 'combobox',
  'aria-autocomplete': 'list',
  'aria-expanded': completions ? 'true' : 'false',
  'aria-controls': LIST_ID,
  'aria-activedescendant': completions && active >= 0 ? optionId(active) : undefined,
});

/**
 * The completions at the caret. Those of the text before stay until the next ones have come, so
 * that the list does not flicker.
 *
 * @param {{query: string, caret: number, isOpen: boolean, token: string}} place
 * @returns {Completions | null} null when there is none
 */
export function useCompletions({ query, caret, isOpen, token }) {
  const [found, setFound] = useState(/** @type {Completions | null} */ (null));
  const isAsked = isOpen && isCompletable(query, caret);
  useEffect(() => {
    if (!isAsked) {
      setFound(null);
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const answer = await complete(query, caret, abort.signal, token);
        if (!abort.signal.aborted) setFound(answer);
      } catch {
        // The field is of use without them.
        if (!abort.signal.aborted) setFound(null);
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [query, caret, isAsked, token]);
  return isAsked && found?.items.length ? found : null;
}

/**
 * @param {{completions: Completions | null, active: number, accept: (item: Item) => void}} props
 */
export function CompletionList({ completions, active, accept }) {
  return html`<ul id=${LIST_ID} class="completions" role="listbox" aria-label=${t('search.completions')} hidden=${!completions}>
    ${completions?.items.map(
      (item, at) =>
        html`<li
          id=${optionId(at)}
          role="option"
          aria-selected=${at === active}
          class=${at === active ? 'active' : ''}
          onMouseDown=${(/** @type {MouseEvent} */ event) => event.preventDefault()}
          onClick=${() => accept(item)}
        >
          <bdi>${item.text}</bdi>
          <span class="help">${item.help}</span>
          ${item.count !== undefined && html`<span class="count">${format.count(item.count)}</span>`}
        </li>`,
    )}
  </ul>`;
}
