// Which words of a tweet a query asked for, so that they can be marked.
//
// The server decides what matches; this only looks for words, and may mark a word too few where a
// query is intricate. It never marks what the query excludes. Words are compared as the server's
// analyzer has them.

/** @typedef {import('./analyzer.js').Term} Term */
/** @typedef {(term: string) => boolean} Test */

/**
 * What is to be marked in one text.
 *
 * @typedef {object} Marked
 * @property {[number, number][]} spans where the words are, in order and apart
 * @property {(sign: string, start: number, end: number) => boolean} entity whether the hashtag,
 *   mention or cashtag there was asked for
 */

/**
 * Something that a query asks for.
 *
 * @typedef {object} Wanted
 * @property {'word' | 'phrase' | 'pattern' | 'entity'} kind
 * @property {string[]} texts what the analyzer reads: the parts of a pattern between its signs
 * @property {string} signs of a pattern `*` and `?`, one behind each part; of an entity the sign
 *   before it
 * @property {string} suffix `~1`, `*` behind it
 */

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

/**
 * @param {string} a
 * @param {string} b
 * @param {number} most
 * @returns {boolean} whether so few edits make one the other
 */
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

/** @param {string} term @param {string} suffix @returns {Test} */
function testOf(term, suffix) {
  const fuzzy = /~(\d?)/.exec(suffix);
  if (!fuzzy) return suffix.startsWith('*') ? (other) => other.startsWith(term) : (other) => other === term;
  const most = fuzzy[1] ? Math.min(Number(fuzzy[1]), 2) : 2;
  return (other) => other.length <= 64 && isNear(term, other, most);
}

/**
 * A test for a pattern with `*` and `?`. Walks instead of making a regular expression, so that no
 * pattern can take long.
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

/** @param {string} query @returns {Wanted[]} */
function wantedOf(query) {
  /** @type {Wanted[]} */
  const wanted = [];
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
    } else if (kind === 'phrase') wanted.push({ kind, texts: [text], signs: '', suffix });
    else if (/^[#@$＃＠].+/u.test(text)) {
      const sign = (text[0] ?? '').replace('＃', '#').replace('＠', '@');
      wanted.push({ kind: 'entity', texts: [text.slice(1)], signs: sign, suffix });
    } else if (/[*?]/.test(text)) wanted.push({ kind: 'pattern', texts: text.split(/[*?]/), signs: text.replace(/[^*?]/g, '') + (suffix.startsWith('*') ? '*' : ''), suffix });
    else wanted.push({ kind: 'word', texts: [text], signs: '', suffix });
  }
  return wanted;
}

/**
 * How the terms of a text are looked at.
 *
 * @typedef {object} Tests
 * @property {Test[]} words
 * @property {Test[][]} phrases
 * @property {Set<string>} entities each as {@link joined} has it
 */

/** @param {string} sign @param {string[]} terms */
const joined = (sign, terms) => sign + terms.join(' ');

/** @param {Wanted[]} wanted @param {(text: string) => Term[]} termsOf @returns {Tests} */
function testsOf(wanted, termsOf) {
  /** @type {Tests} */
  const { words, phrases, entities } = { words: [], phrases: [], entities: new Set() };
  for (const { kind, texts, signs, suffix } of wanted) {
    const terms = texts.map((text) => termsOf(text).map(({ term }) => term));
    const all = terms.flat();
    if (kind === 'entity') entities.add(joined(signs, all));
    else if (kind === 'pattern') {
      // A part of several words is too intricate.
      if (all.length > 0 && terms.every((part) => part.length <= 1)) words.push(wildcard(terms.map((part, at) => (part[0] ?? '') + (signs[at] ?? '')).join('')));
    } else {
      const tests = all.map((term, at) => testOf(term, kind === 'word' ? suffix : at === all.length - 1 && suffix.startsWith('*') ? '*' : ''));
      // Words that may lie apart are marked one by one.
      if (tests.length === 1 || (kind === 'phrase' && suffix.startsWith('~'))) words.push(...tests);
      else if (tests.length > 1) phrases.push(tests);
    }
  }
  return { words, phrases, entities };
}

/** What a query has marked, in any text. */
export class Marks {
  #wanted;
  /** Made when the terms of the query are known. @type {Tests | null} */
  #tests = null;
  /**
   * What is to be analyzed before anything can be marked. Empty when nothing is marked.
   * @type {string[]}
   */
  texts;

  /** @param {string} query */
  constructor(query) {
    this.#wanted = wantedOf(query);
    this.texts = this.#wanted.flatMap(({ texts }) => texts);
  }

  /**
   * What is marked in a text.
   *
   * @param {Term[]} found the terms of the text, in order
   * @param {(text: string) => Term[]} termsOf the terms of {@link Marks.texts}
   * @returns {Marked}
   */
  in(found, termsOf) {
    const { words, phrases, entities } = (this.#tests ??= testsOf(this.#wanted, termsOf));
    const marked = found.map(({ term }) => words.some((test) => test(term)));
    for (const phrase of phrases) {
      for (let at = 0; at + phrase.length <= found.length; at++) {
        if (phrase.every((test, n) => test(found[at + n]?.term ?? ''))) marked.fill(true, at, at + phrase.length);
      }
    }
    /** @type {[number, number][]} */
    const spans = [];
    found.forEach(({ start, end }, at) => {
      const last = spans[spans.length - 1];
      if (!marked[at] || (last && end <= last[1])) return;
      if (last && start <= last[1]) last[1] = end;
      else spans.push([start, end]);
    });
    return {
      spans,
      entity(sign, start, end) {
        let low = 0;
        for (let high = found.length; low < high; ) {
          const middle = (low + high) >>> 1;
          if ((found[middle]?.start ?? 0) < start) low = middle + 1;
          else high = middle;
        }
        let to = low;
        while (to < found.length && (found[to]?.end ?? 0) <= end) to++;
        if (to === low) return false;
        const terms = found.slice(low, to).map(({ term }) => term);
        return entities.has(joined(sign, terms)) || (sign === '#' && marked.slice(low, to).every(Boolean));
      },
    };
  }
}
