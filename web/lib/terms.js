// The words of a text as the server has them: what its analyzer makes of a tweet, so that tweets that are pushed can be counted in with
// what the server counted (docs/QUERY.md, "How text is analyzed").
//
// Each character is folded to none, one or several others, the whole is composed again (NFC), and what comes out is split: runs of letters,
// digits and marks are words; each character of a script without spaces, and each emoji, is one of its own; addresses are left out.

/** Accents, points of Hebrew and Arabic, hamza above and below other letters, and the tatweel that lengthens Arabic words. */
const ACCENT =
  /[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ua66f-\ua672\ua674-\ua67d\ufe20-\ufe2f]/u;
/** What nobody sees, or what only says how another character looks. */
const IGNORED =
  /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\u{1f3fb}-\u{1f3ff}\u{e0000}-\u{e0fff}]/u;
const WORD_PART = /[\p{Alphabetic}\p{N}\p{M}]/u;
const MARK = /[\p{M}\u1160-\u11ff\ud7b0-\ud7fb]/u;
/** Sounds of Hangul, which would be composed with their neighbors, and two signs that are emoji. */
const KEPT = /[\u3131-\u318e\uffa0-\uffdc\u3297\u3299]/u;
/** Signs that are one or more letters: ㈱, ㌔, ㎏. */
const SQUARED = /[\u3200-\u33ff]/u;
/** Scripts without spaces between words. */
export const UNSPACED =
  /[\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff\uffa1-\uffdc\u2e80-\u2fdf\u3005-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{1aff0}-\u{1b16f}\u{20000}-\u{3ffff}]/u;
const PICTURE =
  /[\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u25fb-\u25fe\u2600-\u2767\u2794-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3297\u3299\u{1f000}-\u{1f0ff}\u{1f170}\u{1f171}\u{1f17e}\u{1f17f}\u{1f18e}\u{1f191}-\u{1f19a}\u{1f1e6}-\u{1f1ff}\u{1f200}-\u{1f265}\u{1f300}-\u{1f3fa}\u{1f400}-\u{1faff}]/u;

/** Letters that are written as others when there is no key for them. @type {Record<string, string>} */
const LETTERS = { ß: 'ss', æ: 'ae', œ: 'oe', þ: 'th', ø: 'o', ł: 'l', đ: 'd', ð: 'd', ħ: 'h', ŧ: 't', ı: 'i', ς: 'σ', ى: 'ي', ی: 'ي', ے: 'ي', ة: 'ه', ہ: 'ه', ە: 'ه', ک: 'ك' };

/** Longer terms are not kept. */
const MAX_TERM_BYTES = 255;
const encoder = new TextEncoder();
/** The modifier letter apostrophe divides words as other apostrophes do. */
const APOSTROPHE = '\u02bc';

/** @param {string} c */
const isWordPart = (c) => c !== APOSTROPHE && WORD_PART.test(c);

/** @param {string} c one character @returns {string} what becomes of it */
function foldOne(c) {
  if (ACCENT.test(c) || IGNORED.test(c)) return '';
  if (!SQUARED.test(c) && !isWordPart(c)) return c;
  if (KEPT.test(c)) return wideHangul(c);
  const parts = [...c.normalize('NFKD')];
  // ½ would become 1⁄2, and so two words.
  if (!parts.every((part) => isWordPart(part) || part === '(' || part === ')')) return lower(c);
  return parts.map((part) => (part === '(' || part === ')' ? '' : lower(part))).join('');
}

/** Half-width Hangul letters: the first and the last of each run, and the full-width form of the first. */
const HALF_WIDTH = [
  [0xffa1, 0xffbe, 0x3131],
  [0xffc2, 0xffc7, 0x314f],
  [0xffca, 0xffcf, 0x3155],
  [0xffd2, 0xffd7, 0x315b],
  [0xffda, 0xffdc, 0x3161],
];

/** @param {string} c @returns {string} the full-width form of a half-width Hangul letter */
function wideHangul(c) {
  const code = c.charCodeAt(0);
  const run = HALF_WIDTH.find(([first, last]) => code >= first && code <= last);
  return run ? String.fromCharCode(code - run[0] + run[2]) : c;
}

/** @param {string} c */
const lower = (c) => Array.from(c.toLowerCase(), (small) => LETTERS[small] ?? (ACCENT.test(small) ? '' : small)).join('');

/** @typedef {'gap' | 'word' | 'mark' | 'solo' | 'picture'} Class */

/** @param {string} c a folded character @returns {Class} */
function classify(c) {
  if (c < '\u0080') return /[a-z0-9]/i.test(c) ? 'word' : 'gap';
  if (PICTURE.test(c)) return 'picture';
  if (MARK.test(c)) return 'mark';
  if (!isWordPart(c)) return 'gap';
  return UNSPACED.test(c) && /\p{Alphabetic}/u.test(c) ? 'solo' : 'word';
}

/** Remembers what a function says of a character: tweets are made of few. @template T @param {(c: string) => T} of @returns {(c: string) => T} */
function remembered(of) {
  /** @type {Map<string, T>} */
  const known = new Map();
  return (c) => {
    let value = known.get(c);
    if (value === undefined) known.set(c, (value = of(c)));
    return value;
  };
}

const folded = remembered(foldOne);
const classOf = remembered(classify);

/** @param {string} text lower case, without accents: as words are compared; not split */
export function fold(text) {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  const part = (/** @type {string} */ part) => Array.from(part, folded).join('').normalize('NFC');
  let out = '';
  let at = 0;
  for (const { 0: emoji, index } of text.matchAll(EMOJI)) {
    out += part(text.slice(at, index)) + (emoji.match(FLAG)?.join('') ?? emoji);
    at = index + emoji.length;
  }
  return out + part(text.slice(at));
}

/** A letter of a flag. */
const FLAG = /[\u{1f1e6}-\u{1f1ff}]/gu;
/**
 * An emoji of several characters that is one term: the keycap of `#` or `*`, a flag of two letters or of a black flag with tags, or a sign
 * that is an emoji with its selector only.
 */
const EMOJI =
  /[#*]\ufe0f\u20e3|[\u{1f1e6}-\u{1f1ff}]\ufe0f*[\u{1f1e6}-\u{1f1ff}]|\u{1f3f4}[\u{e0020}-\u{e007f}]+|[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u24c2\u25aa\u25ab\u25b6\u25c0\u2934\u2935\u3030\u303d]\ufe0f/gu;
const EMOJI_HERE = new RegExp(EMOJI.source, 'uy');

/** An address behind its scheme, up to a space or one of `<>"`. */
const ADDRESS = /:\/\/[!#-;=?-~]*/y;

/**
 * The terms of a text, one for each word, in order.
 *
 * @param {string} text without HTML entities
 * @returns {string[]}
 */
export function terms(text) {
  const plain = fold(text);
  /** @type {string[]} */
  const out = [];
  let term = '';
  /** Behind a character that is a term of its own and may get marks. */
  let isSolo = false;
  const end = () => {
    if (term && (term.length <= MAX_TERM_BYTES / 4 || encoder.encode(term).length <= MAX_TERM_BYTES)) out.push(term);
    term = '';
    isSolo = false;
  };
  for (let at = 0; at < plain.length; ) {
    const c = String.fromCodePoint(/** @type {number} */ (plain.codePointAt(at)));
    const kind = classOf(c);
    EMOJI_HERE.lastIndex = at;
    const emoji = c >= '\u0080' || c === '#' || c === '*' ? EMOJI_HERE.exec(plain) : null;
    if (emoji) {
      end();
      out.push(emoji[0]);
      at += emoji[0].length;
      continue;
    }
    if (c === ':' && !isSolo && (term === 'http' || term === 'https')) {
      ADDRESS.lastIndex = at;
      const address = ADDRESS.exec(plain);
      if (address) {
        term = '';
        at += address[0].length;
        continue;
      }
    }
    at += c.length;
    if (kind === 'gap') end();
    else if (kind === 'picture') {
      end();
      out.push(c);
    } else if (kind === 'mark') term += c;
    else {
      if (kind === 'solo' || isSolo) end();
      term += c;
      isSolo = kind === 'solo';
    }
  }
  end();
  return out;
}
