// Which words of a tweet a query asked for, so that they can be marked.
//
// The server decides what matches; this only looks for words, and may mark a word too few where a query is intricate. It never marks
// what the query excludes.

import { fold } from './terms.js';

/**
 * @typedef {object} Marks
 * @property {(text: string) => [number, number][]} spans where the words are, in order and apart
 * @property {(term: string) => boolean} entity whether a `#hashtag`, `@mention` or `$cashtag` was asked for
 */

/** @typedef {(word: string) => boolean} Test */

const WORDS = /[\p{L}\p{M}\p{N}_]+/gu;

/** Fields whose value is looked for in the text. */
const TEXT_FIELDS = new Set(['text', 'hashtag', 'hashtags']);

/**
 * @typedef {object} Token
 * @property {'word' | 'phrase' | 'regex' | 'open' | 'close'} kind
 * @property {string} text
 * @property {string} field empty for none
 * @property {boolean} negated
 * @property {string} suffix `~1`, `^2`, `*` behind it
 */

/** @param {string} query @returns {Token[]} */
function tokens(query) {
  /** @type {Token[]} */
  const out = [];
  let at = 0;
  let negated = false;
  let field = '';
  /** @param {Token['kind']} kind @param {string} text */
  const push = (kind, text) => {
    const suffix = kind === 'open' || kind === 'close' ? '' : (/^(?:[~^][\d.]*|\*)*/.exec(query.slice(at))?.[0] ?? '');
    at += suffix.length;
    out.push({ kind, text, field, negated, suffix });
    negated = false;
    field = '';
  };
  while (at < query.length) {
    const sign = query[at] ?? '';
    if (/\s/.test(sign)) at++;
    else if (sign === '(' || sign === ')') {
      at++;
      push(sign === '(' ? 'open' : 'close', sign);
    } else if (sign === '-' || sign === '!') {
      negated = true;
      at++;
    } else if (sign === '+') at++;
    else if (sign === '"') {
      const end = endOf(query, at + 1, '"');
      const text = query.slice(at + 1, end);
      at = end + 1;
      push('phrase', text);
    } else if (sign === '/') {
      const end = endOf(query, at + 1, '/');
      const text = query.slice(at + 1, end);
      at = end + 1;
      push('regex', text);
    } else if (sign === '[' || sign === '{') {
      // A range is nothing to mark.
      const close = query.slice(at).search(/[\]}]/);
      at = close < 0 ? query.length : at + close + 1;
      field = '';
    } else {
      const run = /^(?:\\.|[^\s()"\\[\]{}~^:])+/u.exec(query.slice(at))?.[0];
      if (!run) {
        at++;
        continue;
      }
      at += run.length;
      if (query[at] === ':') {
        field = run.toLowerCase();
        at++;
        if (/[<>=]/.test(query[at] ?? '')) at += /^[<>=]+\S*/.exec(query.slice(at))?.[0].length ?? 1;
        continue;
      }
      if (run === 'NOT') negated = true;
      else if (run !== 'AND' && run !== 'OR' && run !== 'IN') push('word', run.replace(/\\(.)/gu, '$1'));
    }
  }
  return out;
}

/** @param {string} text @param {number} from @param {string} sign */
function endOf(text, from, sign) {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === sign) return at;
  }
  return text.length;
}

/** @param {string} a @param {string} b @param {number} most @returns {boolean} whether so few edits make one the other */
export function isNear(a, b, most) {
  if (Math.abs(a.length - b.length) > most) return false;
  let before = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      row.push(Math.min((before[j - 1] ?? 0) + change, (before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    before = row;
  }
  return (before[b.length] ?? most + 1) <= most;
}

/** @param {string} word @param {string} suffix @returns {Test} */
function testOf(word, suffix) {
  const folded = fold(word);
  const fuzzy = /~(\d?)/.exec(suffix);
  if (fuzzy) {
    const most = fuzzy[1] ? Math.min(Number(fuzzy[1]), 2) : 2;
    return (other) => other.length <= 64 && isNear(folded, other, most);
  }
  const pattern = suffix.includes('*') ? `${folded}*` : folded;
  if (/[*?]/.test(pattern)) return wildcard(pattern);
  return (other) => other === folded;
}

/**
 * A test for a pattern with `*` and `?`. Walks instead of making a regular expression, so that no pattern can take long.
 *
 * @param {string} pattern
 * @returns {Test}
 */
function wildcard(pattern) {
  const signs = [...pattern];
  return (word) => {
    const letters = [...word];
    let p = 0;
    let star = -1;
    let mark = 0;
    let at = 0;
    while (at < letters.length) {
      if (p < signs.length && signs[p] === '*') {
        star = p++;
        mark = at;
      } else if (p < signs.length && (signs[p] === '?' || signs[p] === letters[at])) {
        p++;
        at++;
      } else if (star >= 0) {
        p = star + 1;
        at = ++mark;
      } else return false;
    }
    while (signs[p] === '*') p++;
    return p === signs.length;
  };
}

/** The query text within what BirdWatch's client sends. @param {string} query */
function textOf(query) {
  if (!query.trimStart().startsWith('{')) return query;
  try {
    const inner = JSON.parse(query)?.query_string?.query;
    return typeof inner === 'string' ? inner : '';
  } catch {
    return '';
  }
}

/**
 * @param {string} query
 * @returns {Marks}
 */
export function marksOf(query) {
  /** @type {Test[]} */
  const words = [];
  /** @type {Test[][]} */
  const phrases = [];
  /** @type {Set<string>} */
  const entities = new Set();
  /** Whether each open bracket is excluded. @type {boolean[]} */
  const groups = [];
  /** A field before a bracket holds for all in it. @type {string[]} */
  const fields = [];
  for (const { kind, text, field: own, negated: not, suffix } of tokens(textOf(query))) {
    const outer = groups[groups.length - 1] ?? false;
    const field = own || (fields[fields.length - 1] ?? '');
    if (kind === 'open') {
      groups.push(outer !== not);
      fields.push(field);
    } else if (kind === 'close') {
      groups.pop();
      fields.pop();
    } else if (outer !== not || kind === 'regex' || (field && !TEXT_FIELDS.has(field))) {
      // Excluded, too intricate, or not in the text.
    } else if (kind === 'word' && /^[#@$＃＠].+/u.test(text)) {
      entities.add(fold(text).replace('＃', '#').replace('＠', '@'));
    } else if (kind === 'word') {
      const parts = fold(text).match(/[\p{L}\p{N}_*?]+/gu) ?? [];
      if (parts.length === 1 && parts[0] && /[\p{L}\p{N}]/u.test(parts[0])) words.push(testOf(parts[0], suffix));
      else if (parts.length > 1) phrases.push(parts.map((part) => testOf(part, '')));
    } else {
      const parts = fold(text).match(/[\p{L}\p{N}_]+/gu) ?? [];
      const tests = parts.map((part, at) => testOf(part, at === parts.length - 1 && suffix.startsWith('*') ? '*' : ''));
      // Words that may lie apart are marked one by one.
      if (suffix.startsWith('~') || tests.length === 1) words.push(...tests);
      else if (tests.length > 1) phrases.push(tests);
    }
  }
  const isEmpty = words.length === 0 && phrases.length === 0;
  return {
    spans(text) {
      if (isEmpty) return [];
      const found = [...text.matchAll(WORDS)].map((match) => ({ start: match.index, end: match.index + match[0].length, word: fold(match[0]) }));
      const marked = found.map(({ word }) => words.some((test) => test(word)));
      for (const phrase of phrases) {
        for (let at = 0; at + phrase.length <= found.length; at++) {
          if (phrase.every((test, n) => test(found[at + n]?.word ?? ''))) marked.fill(true, at, at + phrase.length);
        }
      }
      return found.filter((_, at) => marked[at]).map(({ start, end }) => [start, end]);
    },
    entity(term) {
      const folded = fold(term);
      return entities.has(folded) || (folded.startsWith('#') && words.some((test) => test(folded.slice(1))));
    },
  };
}
