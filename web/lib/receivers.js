// Where the matches of a saved search can go: one row for each kind of receiver that the server knows. The form is drawn from it.

/** @typedef {import('../strings.js').Key} Key */
/**
 * @typedef {object} Field
 * @property {string} name of the field in `deliver`
 * @property {Key} label
 * @property {'url' | 'text' | 'secret'} kind
 * @property {boolean} [required]
 * @property {string} [example] what it looks like
 * @property {Key} [help]
 * @property {() => string} [make] makes a value
 */
/**
 * @typedef {object} Kind
 * @property {string} type as the server calls it
 * @property {Key} label
 * @property {Key} about
 * @property {Field[]} fields
 * @property {(fields: Record<string, unknown>) => string} place where it leads, in a few words
 */

/** Bytes of a secret that is made here. */
const SECRET_BYTES = 32;

/** A secret as Standard Webhooks writes them. */
export function makeSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}

/** @param {unknown} url */
function hostOf(url) {
  try {
    return new URL(String(url)).host;
  } catch {
    return String(url ?? '');
  }
}

/** @type {readonly Kind[]} */
export const KINDS = [
  {
    type: 'webhook',
    label: 'receiver.webhook',
    about: 'receiver.webhook.about',
    fields: [
      { name: 'url', label: 'receiver.url', kind: 'url', required: true, example: 'https://example.org/hook' },
      { name: 'secret', label: 'receiver.secret', kind: 'secret', example: 'whsec_…', help: 'receiver.secret.help', make: makeSecret },
    ],
    place: ({ url }) => hostOf(url),
  },
];

/** @param {unknown} type @returns {Kind | undefined} */
export const kindOf = (type) => KINDS.find((kind) => kind.type === type);

/** What a saved search sends matches to, in a few words. @param {Record<string, unknown>} fields of one entry of `deliver` */
export const placeOf = (fields) => kindOf(fields.type)?.place(fields) ?? String(fields.type);
