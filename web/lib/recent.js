// Ids that are remembered for a while: the latest of them, between half as many and as many as are
// asked for.
//
// Two sets take turns. To take the oldest out of a single one, again and again, is slow: engines
// step over all that were taken out before.

export class RecentIds {
  /** @type {Set<string>} */
  #young = new Set();
  /** @type {Set<string>} */
  #old = new Set();

  /** @param {string} id */
  has(id) {
    return this.#young.has(id) || this.#old.has(id);
  }

  /** @param {string} id @param {number} most how many are remembered */
  add(id, most) {
    if (this.#young.size >= most / 2) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(id);
  }

  /** @param {string} id */
  delete(id) {
    this.#young.delete(id);
    this.#old.delete(id);
  }

  clear() {
    this.#young.clear();
    this.#old.clear();
  }
}
