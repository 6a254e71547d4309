// What `start.js` has asked the server for before the page's script was there, handed over.

/**
 * @typedef {{socket: WebSocket | null, frames: unknown[], tweets: Map<string, Promise<unknown[]>>}}
 *   Early frames: that came so far
 */

/**
 * The socket that is open already, or about to be, once; null when it is lost.
 *
 * @param {Early | undefined} early
 * @returns {WebSocket | null}
 */
export function takeSocket(early) {
  if (!early?.socket) return null;
  const { socket, frames } = early;
  early.socket = null;
  socket.onmessage = null;
  if (socket.readyState > WebSocket.OPEN) return null;
  // Its new owner listens once it has it. No other frame can come before the next task.
  queueMicrotask(() => frames.splice(0).forEach((data) => socket.onmessage?.(/** @type {any} */ ({ data }))));
  return socket;
}

/**
 * The newest tweets of a search, once.
 *
 * @param {Early | undefined} early
 * @param {string} query
 * @returns {Promise<unknown[]>}
 */
export function takeTweets(early, query) {
  const tweets = early?.tweets.get(query);
  early?.tweets.delete(query);
  return tweets ?? Promise.resolve([]);
}
