// What every view needs: markup as template strings, hooks, and the formats of the page's language.

import htm from '../vendor/htm.js';
import { h } from '../vendor/preact.js';
import { formats, rateOf } from '../lib/format.js';
import { LOCALE, t } from '../strings.js';

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(h);
/** By the rules of the browser, where it speaks the language of the page: it knows the country. */
export const format = formats(navigator.language.startsWith(LOCALE) ? undefined : LOCALE);

/** Less than one in two days is not said, in tweets a second. */
export const LEAST_RATE = 0.5 / 86_400;

/** How often something comes: 12/min. @param {number} rate a second */
export function perSecond(rate) {
  const { n, unit } = rateOf(rate);
  return t(`rate.${unit}`, { n: format.decimal(n) });
}

/** @param {string} name @param {string} text @param {string} type */
export function saveFile(name, text, type) {
  saveBlob(name, new Blob([text], { type }));
}

/** @param {string} name @param {Blob} blob */
export function saveBlob(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has taken hold of it by the next turn.
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/**
 * Copies a text. Without a secure context browsers have no clipboard; the old way, by a selection,
 * still works there.
 *
 * @param {string} text
 * @param {HTMLElement | null} element that shows the text, and is left selected
 * @returns {Promise<boolean>} whether it is copied
 */
export async function copy(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (element) getSelection()?.selectAllChildren(element);
    return element !== null && document.execCommand('copy');
  }
}

/** @param {string} query a file name that says what it holds */
export const fileName = (query) => query.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 40) || 'perch';

const ICONS = {
  search: 'M11 4a7 7 0 1 0 4.2 12.6l4.1 4.1 1.4-1.4-4.1-4.1A7 7 0 0 0 11 4Zm0 2a5 5 0 1 1 0 10 5 5 0 0 1 0-10Z',
  close: 'm6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4Z',
  pause: 'M7 5h3.5v14H7Zm6.5 0H17v14h-3.5Z',
  play: 'M8 5v14l11-7Z',
  bell: 'M12 3a6 6 0 0 1 6 6v4.2l2 2.8v1H4v-1l2-2.8V9a6 6 0 0 1 6-6Zm0 2a4 4 0 0 0-4 4v4.9L7.2 15h9.6l-.8-1.1V9a4 4 0 0 0-4-4Zm-2.4 13h4.8a2.4 2.4 0 0 1-4.8 0Z',
  chart: 'M4 20V10h3.5v10Zm6.2 0V4h3.6v16Zm6.3 0v-7H20v7Z',
  menu: 'M12 5.2a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4Zm0 5.1a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4Zm0 5.1a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4Z',
  grip: 'M9 5a1.6 1.6 0 1 1 0 3.2A1.6 1.6 0 0 1 9 5Zm6 0a1.6 1.6 0 1 1 0 3.2A1.6 1.6 0 0 1 15 5ZM9 10.4a1.6 1.6 0 1 1 0 3.2 1.6 1.6 0 0 1 0-3.2Zm6 0a1.6 1.6 0 1 1 0 3.2 1.6 1.6 0 0 1 0-3.2ZM9 15.8A1.6 1.6 0 1 1 9 19a1.6 1.6 0 0 1 0-3.2Zm6 0a1.6 1.6 0 1 1 0 3.2 1.6 1.6 0 0 1 0-3.2Z',
  star: 'm12 3.5 2.6 5.6 6 .7-4.5 4.2 1.2 6-5.3-3-5.3 3 1.2-6L3.4 9.8l6-.7Zm0 4.8-1.3 2.7-2.9.4 2.2 2-.6 2.9 2.6-1.4 2.6 1.4-.6-2.9 2.2-2-2.9-.4Z',
  starred: 'm12 3.5 2.6 5.6 6 .7-4.5 4.2 1.2 6-5.3-3-5.3 3 1.2-6L3.4 9.8l6-.7Z',
  retweet: 'M7 5h9v2H7v7h2.5L6 18l-3.5-4H5V7a2 2 0 0 1 2-2Zm10 14H8v-2h9v-7h-2.5L18 6l3.5 4H19v7a2 2 0 0 1-2 2Z',
  heart: 'M12 20.3 4.2 12a4.9 4.9 0 0 1 7-6.9l.8.8.8-.8a4.9 4.9 0 0 1 7 6.9Zm0-2.9 6.4-6.8a2.9 2.9 0 0 0-4.1-4.1L12 8.8 9.7 6.5a2.9 2.9 0 0 0-4.1 4.1Z',
  people: 'M9 5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7Zm0 8.5c3.6 0 6.5 1.8 6.5 4V19h-13v-1.5c0-2.2 2.9-4 6.5-4ZM16 6a3 3 0 0 1 0 6v-6Zm1.5 8c2.3.5 4 1.9 4 3.6V19h-4Z',
  help: 'M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18Zm0 2a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm-1 10.2h2v2h-2Zm1-8.4c1.9 0 3.3 1.2 3.3 3 0 1.3-.8 2-1.5 2.6-.6.5-.9.8-.9 1.5h-1.9c0-1.6.8-2.3 1.5-2.9.6-.5.9-.7.9-1.3 0-.7-.6-1.1-1.4-1.1-.9 0-1.5.5-1.5 1.4H8.7c0-1.9 1.4-3.2 3.3-3.2Z',
  auto: 'M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18Zm0 2v14a7 7 0 0 0 0-14Z',
  light: 'M12 7a5 5 0 1 1 0 10 5 5 0 0 1 0-10ZM11 1h2v3h-2Zm0 19h2v3h-2ZM1 11h3v2H1Zm19 0h3v2h-3ZM4.9 3.5 7 5.6 5.6 7 3.5 4.9ZM17 18.4l1.4-1.4 2.1 2.1-1.4 1.4ZM19.1 3.5l1.4 1.4L18.4 7 17 5.6ZM5.6 17 7 18.4l-2.1 2.1-1.4-1.4Z',
  dark: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z',
  up: 'm12 5 7 7-1.5 1.4-4.5-4.5V19h-2V8.9l-4.5 4.5L5 12Z',
  down: 'm12 19-7-7 1.5-1.4 4.5 4.5V5h2v10.1l4.5-4.5L19 12Z',
  flat: 'm19 12-5.5-5.5L12 8l3 3H5v2h10l-3 3 1.5 1.5Z',
  out: 'M13 4h7v7h-2V7.4l-8.3 8.3-1.4-1.4L16.6 6H13ZM5 6h5v2H6v10h10v-4h2v6H4V6Z',
  share: 'M17 3a3 3 0 1 1-2.2 5L9.9 11a3 3 0 0 1 0 2l4.9 3a3 3 0 1 1-1 1.7L8.9 14.8a3 3 0 1 1 0-5.6l4.9-3A3 3 0 0 1 17 3Z',
  done: 'm9.5 18.6-6-6L5 11.1l4.5 4.5L19 6.1l1.5 1.5Z',
  plus: 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6Z',
};

/** @typedef {keyof typeof ICONS} IconName */

/** A picture beside or instead of a text that says the same. @param {{name: IconName}} props */
export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;
