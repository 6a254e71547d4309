// The text of a tweet as a list of segments, each of which is shown as text: no part of a tweet
// ever becomes markup.

import { safeUrl } from './tweet.js';

/** @typedef {import('./tweet.js').Link} Link */
/** @typedef {import('./marks.js').Marked} Marked */

/**
 * @typedef {object} Segment
 * @property {'text' | 'mark' | 'link' | 'hashtag' | 'mention' | 'cashtag'} kind
 * @property {string} text what is shown
 * @property {string} [href] of a link
 * @property {string} [term] of an entity: the query that finds it
 * @property {boolean} [marked] whether the search asked for it
 */

// Every alternative starts with a fixed sign and repeats one class: the time is linear in the
// length of the text.
const ENTITY = /https?:\/\/[^\s<>"“”]+|[#＃][\p{L}\p{M}\p{N}_]+|[@＠]\w{1,20}|\$[A-Za-z]{1,6}(?![\w])/gu;
const WORD = /[\p{L}\p{M}\p{N}_]/u;
/** Signs that end a sentence, not an address. */
const TRAILING = /[.,:;!?…'’)\]]+$/u;

/**
 * @param {string} text
 * @param {Link[]} links the addresses that the tweet explains
 * @param {Marked | null} [marked] what to mark
 * @returns {Segment[]}
 */
export function segments(text, links, marked = null) {
  const known = new Map(links.map((link) => [link.url, link]));
  /** @type {Segment[]} */
  const out = [];
  const spans = { list: marked?.spans ?? [], next: 0 };
  let from = 0;
  for (const match of text.matchAll(ENTITY)) {
    let found = match[0];
    const sign = found[0] ?? '';
    // An @ or # within a word is no entity: an e-mail address, an address's fragment.
    if (sign !== 'h' && match.index > 0 && WORD.test(text[match.index - 1] ?? '')) continue;
    const segment = sign === 'h' ? linkOf(found, known) : entityOf(found, match.index, marked);
    if (!segment) continue;
    if (sign === 'h') found = found.slice(0, segment.length);
    plain(text, from, match.index, spans, out);
    out.push(segment.segment);
    from = match.index + found.length;
  }
  plain(text, from, text.length, spans, out);
  return out;
}

/**
 * @param {string} found
 * @param {Map<string, Link>} known
 * @returns {{segment: Segment, length: number} | null}
 */
function linkOf(found, known) {
  const trimmed = found.replace(TRAILING, '');
  const link = known.get(found) ?? known.get(trimmed);
  if (link) return { segment: { kind: 'link', text: link.label, href: link.href }, length: link.url.length };
  const href = safeUrl(trimmed);
  if (!href) return null;
  const label = trimmed.replace(/^https?:\/\/(www\.)?/, '');
  return { segment: { kind: 'link', text: label.length > 40 ? `${label.slice(0, 39)}…` : label, href }, length: trimmed.length };
}

/**
 * @param {string} found
 * @param {number} start where it is in the text
 * @param {Marked | null} marked
 * @returns {{segment: Segment, length: number}}
 */
function entityOf(found, start, marked) {
  const [sign, body] = [found[0] ?? '', found.slice(1)];
  const [kind, term] = sign === '$' ? ['cashtag', `$${body}`] : sign === '@' || sign === '＠' ? ['mention', `@${body}`] : ['hashtag', `#${body}`];
  const isMarked = marked?.entity(term[0] ?? '', start + 1, start + found.length) ?? false;
  return { segment: { kind: /** @type {Segment['kind']} */ (kind), text: found, term, marked: isMarked }, length: found.length };
}

/**
 * @param {string} text
 * @param {number} from
 * @param {number} to
 * @param {{list: [number, number][], next: number}} spans the next is the first that ends behind
 *   `from`
 * @param {Segment[]} out
 */
function plain(text, from, to, spans, out) {
  for (let span; (span = spans.list[spans.next]) && span[0] < to; spans.next++) {
    const [start, end] = [Math.max(span[0], from), Math.min(span[1], to)];
    if (start < end) {
      if (start > from) out.push({ kind: 'text', text: text.slice(from, start) });
      out.push({ kind: 'mark', text: text.slice(start, end), marked: true });
      from = end;
    }
    if (span[1] > to) break;
  }
  if (from < to) out.push({ kind: 'text', text: text.slice(from, to) });
}
