// The terms of texts, as the server's analyzer has them: words are counted and marked here as they
// are searched there.
//
// Texts that are asked for while an answer is on its way wait for it and go out together.

import { LOST } from './connection.js';

/** @typedef {import('./connection.js').Connection} Connection */
/**
 * @typedef {{term: string, start: number, end: number}} Term its place is in UTF-16 units, as
 *   JavaScript counts
 */

/**
 * Texts of one request, at most, and how much of the longest frame they may take: signs may be
 * escaped.
 */
const MOST_TEXTS = 500;
const FRAME_SHARE = 3;
/** The length of a frame while the server has not said it. */
const FRAME_BYTES = 65_536;
/** Texts that are remembered. */
const MOST_KNOWN = 10_000;
/** What is looked at of a text. */
const MOST_UNITS = 2000;

const encoder = new TextEncoder();

export class Analyzer {
  /** Terms by text; what was used last is last. @type {Map<string, Term[]>} */
  #known = new Map();
  /** Texts that wait, and who waits for them. @type {Map<string, (() => void)[]>} */
  #waiting = new Map();
  #isAsking = false;

  /** @param {Pick<Connection, 'request' | 'whenOpen' | 'hello'>} connection */
  constructor(connection) {
    this.connection = connection;
  }

  /**
   * The terms of a text; null while they are not known.
   * @param {string} text
   * @returns {Term[] | null}
   */
  known(text) {
    const key = text.slice(0, MOST_UNITS);
    if (key === '') return [];
    const terms = this.#known.get(key);
    if (!terms) return null;
    this.#known.delete(key);
    this.#known.set(key, terms);
    return terms;
  }

  /**
   * Asks for the terms of texts.
   * @param {string[]} texts
   * @returns {Promise<void>} when they are known, or can't be
   */
  async load(texts) {
    const left = [...new Set(texts)].filter((text) => this.known(text) === null).map((text) => text.slice(0, MOST_UNITS));
    const loaded = left.map(
      (text) =>
        new Promise((resolve) => {
          const waiters = this.#waiting.get(text) ?? [];
          waiters.push(() => resolve(undefined));
          this.#waiting.set(text, waiters);
        }),
    );
    if (loaded.length > 0) void this.#ask();
    await Promise.all(loaded);
  }

  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#waiting.size > 0) {
      const texts = this.#batch();
      try {
        const { terms } = await this.connection.request('cmd/analyze', { texts });
        texts.forEach((text, at) => this.#remember(text, terms[at] ?? []));
      } catch (fault) {
        if (/** @type {import('./connection.js').Fault} */ (fault)?.code === LOST) {
          await this.connection.whenOpen();
          continue;
        }
        // Without terms nothing is marked. Who asks again may have better luck.
      }
      const waiters = texts.flatMap((text) => this.#waiting.get(text) ?? []);
      for (const text of texts) this.#waiting.delete(text);
      for (const resolve of waiters) resolve();
    }
    this.#isAsking = false;
  }

  /** The texts of the next request. */
  #batch() {
    let room = (this.connection.hello?.limits?.frame_bytes ?? FRAME_BYTES) / FRAME_SHARE;
    const texts = [];
    for (const text of this.#waiting.keys()) {
      room -= encoder.encode(text).length;
      if (texts.length > 0 && (room < 0 || texts.length >= MOST_TEXTS)) break;
      texts.push(text);
    }
    return texts;
  }

  /**
   * @param {string} text
   * @param {[string, number, number][]} terms with their places in bytes of UTF-8
   */
  #remember(text, terms) {
    const unit = unitsOf(text);
    this.#known.set(
      text,
      terms.map(([term, start, end]) => ({ term, start: unit(start), end: unit(end) })),
    );
    if (this.#known.size > MOST_KNOWN) this.#known.delete(/** @type {string} */ (this.#known.keys().next().value));
  }
}

/**
 * The place in UTF-16 units of a place in bytes of UTF-8.
 * @param {string} text
 * @returns {(byte: number) => number}
 */
export function unitsOf(text) {
  const bytes = encoder.encode(text).length;
  if (bytes === text.length) return (byte) => byte;
  const units = new Uint32Array(bytes + 1);
  let byte = 0;
  let unit = 0;
  for (const sign of text) {
    units[byte] = unit;
    byte += encoder.encode(sign).length;
    unit += sign.length;
  }
  units[byte] = unit;
  return (byte) => units[byte] ?? text.length;
}
