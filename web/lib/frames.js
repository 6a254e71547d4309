// One render for all that happened since the last one, and of one thing in each frame.

/** A render may take so much of the time, one part in this many: the rest is for input. */
const SHARE = 3;
/** A hidden page has no frames; its title is still kept up to date. */
const HIDDEN_MS = 500;

export class Frames {
  /** @type {Set<() => void>} */
  #dirty = new Set();
  #isAsked = false;
  #restUntil = 0;

  /** Runs it once, with the next frame, however often it is asked for. @param {() => void} run */
  ask(run) {
    this.#dirty.add(run);
    if (this.#isAsked) return;
    this.#isAsked = true;
    const wait = this.#restUntil - performance.now();
    if (document.hidden) setTimeout(this.#flush, HIDDEN_MS);
    else if (wait > 16) setTimeout(() => requestAnimationFrame(this.#flush), wait);
    else requestAnimationFrame(this.#flush);
  }

  #flush = () => {
    this.#isAsked = false;
    const started = performance.now();
    // One in each frame: no task is longer than the drawing of one of them.
    const [run] = this.#dirty;
    if (!run) return;
    this.#dirty.delete(run);
    run();
    // What the run changed is drawn after this; its cost is known when the next task begins.
    setTimeout(() => {
      const now = performance.now();
      this.#restUntil = now + (now - started) * (SHARE - 1);
      const [next] = this.#dirty;
      if (next) this.ask(next);
    });
  };
}
