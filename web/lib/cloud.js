// The layout of the word cloud: each word as near to the middle as there is room, the largest
// first, along a spiral.

/**
 * @typedef {object} Placed
 * @property {string} text
 * @property {number} size of the font
 * @property {number} x of the middle, from the cloud's middle
 * @property {number} y
 * @property {number} width
 */

/** How much of a font's size a line of it takes, upper and lower lengths and some air. */
const LINE = 1.08;
/** Air between words on a line. */
const GAP = 8;

/**
 * Words that don't fit are left out.
 *
 * @param {{text: string, count: number}[]} words most frequent first
 * @param {object} options
 * @param {number} options.width
 * @param {number} options.height
 * @param {(text: string, size: number) => number} options.measure the width of a text
 * @param {number} [options.smallest]
 * @param {number} [options.largest]
 * @returns {Placed[]}
 */
export function layout(words, { width, height, measure, smallest = 12, largest = 44 }) {
  const most = Math.sqrt(words[0]?.count ?? 1);
  const least = Math.sqrt(words[words.length - 1]?.count ?? 1);
  /** @type {Placed[]} */
  const placed = [];
  for (const { text, count } of words) {
    const share = most > least ? (Math.sqrt(count) - least) / (most - least) : 0.5;
    const size = Math.round(smallest + share * (largest - smallest));
    const word = { text, size, x: 0, y: 0, width: measure(text, size) };
    if (place(word, placed, width, height)) placed.push(word);
  }
  return placed;
}

/** @param {Placed} word @param {Placed[]} placed @param {number} width @param {number} height */
function place(word, placed, width, height) {
  const flat = height / width;
  for (let turn = 0, radius = 0; radius < width / 2; turn += 0.25, radius = turn * 2.2) {
    word.x = Math.cos(turn) * radius;
    word.y = Math.sin(turn) * radius * flat;
    const isInside = Math.abs(word.x) + word.width / 2 <= width / 2 && Math.abs(word.y) + (word.size * LINE) / 2 <= height / 2;
    if (isInside && !placed.some((other) => overlaps(word, other))) return true;
  }
  return false;
}

/** @param {Placed} a @param {Placed} b */
export function overlaps(a, b) {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 + GAP && Math.abs(a.y - b.y) < ((a.size + b.size) / 2) * LINE;
}
