// Saved searches: those that the server keeps. They have names, and go on without a browser.
//
// A tag is a set of columns: the searches that have it open side by side, in the order of their
// places.

import { signal } from '../vendor/signals-core.js';

/**
 * @typedef {object} State
 * @property {'live' | 'catching-up' | 'failing' | 'paused'} state
 * @property {string | null} reason
 * @property {string | null} next_try
 */
/** @typedef {State & {type: string, delivered: number}} Delivery */
/**
 * @typedef
 *   {{query: unknown, tags?: string[], places?: Record<string, number>, paused?: boolean, public?:
 *     boolean, deliver?: Record<string, unknown>[]}}
 *   Spec what is sent to save one
 */
/**
 * @typedef
 *   {Spec & State & {name: string, revision: number, has_feed_token: boolean, deliveries:
 *     Delivery[]}}
 *   SavedSearch
 */
/**
 * @typedef
 *   {{deliver: number, at: string, took_ms: number, events: number, status: number | null, error:
 *     string | null}}
 *   Try
 */
/** @typedef {{deliver: number, status: number | null, error: string | null}} Tested */
/** @typedef {{status: number, code: string, message: string, field: string}} Fault */
/** @typedef {{atom: string, json: string}} FeedUrls */
/**
 * @typedef {'unknown' | 'open' | 'locked' | 'failed'} Access locked: the server lets this person
 *   save nothing
 */

/**
 * What an answer says of a search beside what was saved. All else is sent back as it came, also
 * what this page does not know.
 */
const SAID = ['name', 'owner', 'created_at', 'changed_at', 'revision', 'state', 'position', 'reason', 'next_try', 'epoch', 'has_feed_token', 'deliveries', 'warnings'];
/** The most that are listed. */
export const MOST_LISTED = 1000;
const REQUEST_MS = 15_000;
/** Tags of one search, and characters of one. */
const MOST_TAGS = 16;
const MOST_TAG_CHARS = 64;
/** A name that is made of a query. */
const MOST_NAME_CHARS = 40;

/** The feeds of a public search. @param {string} name @returns {FeedUrls} relative to the page */
export const feedsOf = (name) => ({ atom: `feeds/${encodeURIComponent(name)}.atom`, json: `feeds/${encodeURIComponent(name)}.json` });

/** The query of a saved search, as the search field has it. @param {{query: unknown}} search */
export const queryOf = ({ query }) => (typeof query === 'string' ? query : JSON.stringify(query));

/**
 * A name as the server takes it: letters, digits, `.`, `_` and `-`.
 *
 * @param {string} text
 * @param {number} [most] characters
 */
export const nameOf = (text, most = MOST_NAME_CHARS) =>
  text
    .normalize('NFC')
    .replace(/[^\p{Alphabetic}\p{N}._-]+/gu, '-')
    .replace(/^[.-]+|-+$/g, '')
    .slice(0, most)
    .replace(/-+$/, '');

/** @param {string} text words with commas between them @returns {string[]} */
export function tagsOf(text) {
  const tags = text.split(',').map((tag) => tag.trim().slice(0, MOST_TAG_CHARS));
  return [...new Set(tags.filter(Boolean))].slice(0, MOST_TAGS);
}

/** What a request failed with. @param {unknown} fault @returns {Fault} */
export const faultOf = (fault) =>
  fault !== null && typeof fault === 'object' && 'status' in fault ? /** @type {Fault} */ (fault) : { status: 0, code: '', message: String(/** @type {any} */ (fault)?.message ?? fault), field: '' };

export class SavedSearches {
  /** By name. @type {import('../vendor/signals-core.js').Signal<SavedSearch[]>} */
  list = signal(/** @type {SavedSearch[]} */ ([]));
  /**
   * @type
   *   {import('../vendor/signals-core.js').Signal<{access: Access, reason: string, isCut:
   *     boolean}>}
   */
  state = signal({ access: /** @type {Access} */ ('unknown'), reason: '', isCut: false });
  /** What the configuration of the server allows: types of receivers, and feeds. */
  offers = signal({ receivers: /** @type {string[]} */ ([]), feeds: false });

  /**
   * @param {{token: () => string, fetch?: typeof fetch}} options token: what the person signed in
   *   with, empty for none
   */
  constructor({ token, fetch: ask = (...request) => fetch(...request) }) {
    this.token = token;
    this.fetch = ask;
  }

  /** Reads the list. Whether it could be read is in `state`. */
  async load() {
    try {
      const { searches, next, receivers, feeds } = await this.#ask('GET', '', { parameters: `?n=${MOST_LISTED}` });
      this.list.value = Array.isArray(searches) ? searches : [];
      const offers = { receivers: Array.isArray(receivers) ? receivers : [], feeds: feeds === true };
      // Read every few seconds: what is the same draws nothing again.
      if (JSON.stringify(offers) !== JSON.stringify(this.offers.value)) this.offers.value = offers;
      this.state.value = { access: 'open', reason: '', isCut: next !== null };
    } catch (fault) {
      this.#failed(faultOf(fault));
    }
  }

  /** @param {Fault} fault */
  #failed({ status, message }) {
    const access = status === 401 || status === 403 ? 'locked' : 'failed';
    if (access === 'locked') this.list.value = [];
    this.state.value = { access, reason: message, isCut: false };
  }

  /** The saved search of a column. @param {string} query @returns {SavedSearch | undefined} */
  of(query) {
    return this.list.value.find((search) => queryOf(search) === query);
  }

  /** All tags, by name. @returns {string[]} */
  get tags() {
    return [...new Set(this.list.value.flatMap(({ tags }) => tags ?? []))].sort((a, b) => a.localeCompare(b));
  }

  /**
   * Saves a search.
   *
   * @param {string} name
   * @param {Partial<Spec>} spec what is new
   * @param {SavedSearch | null} known what is changed; null saves a new one, and fails when there
   *   is one of this name
   */
  async put(name, spec, known) {
    /** @type {Record<string, string>} */
    const expected = known ? { 'if-match': `"${known.revision}"` } : { 'if-none-match': '*' };
    const kept = Object.fromEntries(Object.entries(known ?? {}).filter(([field]) => !SAID.includes(field)));
    return this.#listed(await this.#ask('PUT', `/${encodeURIComponent(name)}`, { body: { ...kept, ...spec }, headers: expected }));
  }

  /** @param {SavedSearch} saved as the server has just said it */
  #listed(saved) {
    this.list.value = [...this.list.value.filter((other) => other.name !== saved.name), saved].sort((a, b) => (a.name < b.name ? -1 : 1));
    return saved;
  }

  /**
   * Makes the secret URLs of a search's feeds; those that it had end.
   *
   * @param {string} name
   * @returns {Promise<{urls: FeedUrls, search: SavedSearch}>}
   */
  async makeFeed(name) {
    const urls = await this.#ask('POST', `/${encodeURIComponent(name)}/feed-token`);
    return { urls, search: await this.#read(name) };
  }

  /** Ends the secret URLs of a search's feeds. @param {string} name */
  async revokeFeed(name) {
    await this.#ask('DELETE', `/${encodeURIComponent(name)}/feed-token`);
    return this.#read(name);
  }

  /** @param {string} name */
  async #read(name) {
    return this.#listed(await this.#ask('GET', `/${encodeURIComponent(name)}`));
  }

  /**
   * Changes something of a search that is there.
   *
   * @param {SavedSearch} search
   * @param {Partial<Spec>} change
   */
  change(search, change) {
    return this.put(search.name, change, search);
  }

  /** @param {SavedSearch} search */
  async remove({ name, revision }) {
    await this.#ask('DELETE', `/${encodeURIComponent(name)}`, { headers: { 'if-match': `"${revision}"` } });
    this.list.value = this.list.value.filter((other) => other.name !== name);
  }

  /** Sends a sample to each receiver. @param {string} name @returns {Promise<Tested[]>} */
  async test(name) {
    return (await this.#ask('POST', `/${encodeURIComponent(name)}/test`)).results;
  }

  /** The last tries, newest first. @param {string} name @returns {Promise<Try[]>} */
  async tries(name) {
    return (await this.#ask('GET', `/${encodeURIComponent(name)}/deliveries`)).deliveries;
  }

  /**
   * The searches of a set, in the order in which they were put into it.
   *
   * @param {string} tag
   * @returns {SavedSearch[]}
   */
  inSet(tag) {
    const place = (/** @type {SavedSearch} */ { places }) => places?.[tag] ?? Infinity;
    return this.list.value.filter(({ tags }) => tags?.includes(tag)).sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  }

  /**
   * Makes a set of searches, in this order, and saves those that are not yet.
   *
   * @param {string[]} queries
   * @param {string} tag
   */
  async tag(queries, tag) {
    for (const [place, query] of queries.entries()) {
      const known = this.of(query);
      if (known) await this.change(known, { tags: [...new Set([...(known.tags ?? []), tag])], places: { ...known.places, [tag]: place } });
      else await this.#putNew(query, { query, tags: [tag], places: { [tag]: place }, deliver: [] });
    }
  }

  /** Saves a search under a name that is free. @param {string} text @param {Spec} spec */
  async #putNew(text, spec) {
    const name = nameOf(text) || 'search';
    for (let n = 1; ; n++) {
      try {
        return await this.put(n === 1 ? name : `${name}-${n}`, spec, null);
      } catch (fault) {
        // Taken, also by somebody else.
        const { status, code } = faultOf(fault);
        if (!(status === 412 || (code === 'forbidden' && this.state.value.access === 'open')) || n > 20) throw fault;
      }
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{parameters?: string, body?: unknown, headers?: Record<string, string>}} [more]
   * @returns {Promise<any>} fails with a {@link Fault}
   */
  async #ask(method, path, { parameters = '', body, headers = {} } = {}) {
    const token = this.token();
    const response = await this.fetch(`api/searches${path}${parameters}`, {
      method,
      headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const { code = '', message = response.statusText, at } = answer?.error ?? {};
    throw { status: response.status, code, message, field: at?.field ?? '' };
  }
}
