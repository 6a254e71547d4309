// What is asked of the server while the browser still loads the rest of the page: the connection,
// and the newest tweets of the first searches. It imports nothing, so it runs a round trip before
// all that does. `lib/early.js` hands over what it gets.

/** Searches that are asked for, and tweets of each: about what a screen shows. */
const MOST_SEARCHES = 4;
const TWEETS = 20;
/** A longer query does not fit into an address. */
const LONGEST_QUERY = 1000;

/** Does so, unless the page has begun without it. */
function begin() {
  if ('perchBegun' in globalThis) return;
  const token = sessionStorage.getItem('perch.token');
  const socket = new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')));
  /** @type {unknown[]} */
  const frames = [];
  socket.onmessage = (/** @type {MessageEvent} */ { data }) => frames.push(data);

  /** @param {string} query @returns {Promise<unknown[]>} none if the server has no answer */
  const newest = (query) =>
    fetch(`api/search?${new URLSearchParams({ q: query, n: String(TWEETS) })}`, { headers: token ? { authorization: `Bearer ${token}` } : {} }).then(
      (answer) => (answer.ok ? answer.json().then(({ result }) => result) : []),
      () => [],
    );
  const queries = new URLSearchParams(location.search).getAll('q').map((query) => query.trim());
  const first = queries.slice(0, MOST_SEARCHES).filter((query) => query !== '' && query.length <= LONGEST_QUERY);

  Object.assign(globalThis, { perchEarly: { socket, frames, tweets: new Map(first.map((query) => [query, newest(query)])) } });
}

begin();

// A module, as everything else: the names above are its own.
export {};
