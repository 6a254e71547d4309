// Where the server's tweets come from.

/**
 * Whether made-up tweets are among them.
 *
 * @param {string} token empty for none
 * @returns {Promise<boolean>} false also where the server does not say
 */
export async function hasDemo(token) {
  try {
    const answer = await fetch('api/stats', { headers: token ? { authorization: `Bearer ${token}` } : undefined });
    const { sources } = await answer.json();
    // A source is named after its type, with a number where there are several.
    return Object.keys(sources ?? {}).some((name) => /^demo(#|$)/.test(name));
  } catch {
    return false;
  }
}
