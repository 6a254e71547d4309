// Words that are not to be seen.

/** @typedef {import('./tweet.js').Tweet} Tweet */

/**
 * Whether a tweet has one of these words: in its text, in what it retweets or quotes, or as the
 * name of who wrote it.
 *
 * @param {string[]} words
 * @returns {((tweet: Tweet) => boolean) | null} null without words
 */
export function muting(words) {
  if (words.length === 0) return null;
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${escaped.join('|')})(?![\\p{L}\\p{N}_])`, 'iu');
  /** What was looked at is remembered. @type {WeakMap<Tweet, boolean>} */
  const known = new WeakMap();
  const isMuted = (/** @type {Tweet} */ tweet) => pattern.test(`${tweet.text} @${tweet.screen} ${tweet.original?.text ?? ''} @${tweet.original?.screen ?? ''} ${tweet.quoted?.text ?? ''}`);
  return (tweet) => {
    let is = known.get(tweet);
    if (is === undefined) known.set(tweet, (is = isMuted(tweet)));
    return is;
  };
}
