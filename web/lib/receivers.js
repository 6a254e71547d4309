// Where the matches of a saved search can go: one row for each kind of receiver that the server
// knows. The form is drawn from it.

/** @typedef {import('../strings.js').Key} Key */
/**
 * @typedef {object} Field
 * @property {string} name of the field in `deliver`
 * @property {Key} label
 * @property {'url' | 'text' | 'email' | 'number' | 'choice'} kind
 * @property {boolean} [required]
 * @property {string} [example] what it looks like
 * @property {Key} [help]
 * @property {() => string} [make] makes a value
 * @property {Key} [made] what the button says that makes it
 * @property {[string, Key][]} [choices] of a choice: values with what they mean; the first one is
 *   what is left out
 * @property {(fields: Record<string, unknown>) => boolean} [fits] whether it says anything, beside
 *   the other fields
 */
/**
 * @typedef {object} Kind
 * @property {string} type as the server calls it
 * @property {string} [template] of a webhook, as the server calls it
 * @property {Record<string, unknown>} [defaults] values that the server takes for fields that are
 *   left out
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

/** @type {Field} */
const URL_FIELD = { name: 'url', label: 'receiver.url', kind: 'url', required: true };

/** Whether a digest comes at a time of the day. @param {Record<string, unknown>} fields */
const isDaily = ({ every }) => typeof every === 'string' && every.endsWith('d');

/** @type {[string, Key]} */
const AT_ONCE = ['', 'receiver.every.once'];
/** @type {[string, Key][]} */
const PERIODS = [
  ['5m', 'receiver.every.5m'],
  ['1h', 'receiver.every.1h'],
  ['1d', 'receiver.every.1d'],
  ['7d', 'receiver.every.7d'],
];

/**
 * What every kind has: how often, and how many.
 *
 * @param {[string, Key][]} choices
 * @returns {Field[]}
 */
const pace = (choices) => [
  { name: 'every', label: 'receiver.every', kind: 'choice', choices },
  { name: 'at', label: 'receiver.at', kind: 'text', example: '09:00', help: 'receiver.at.help', fits: isDaily },
  { name: 'time_zone', label: 'receiver.zone', kind: 'text', example: 'Europe/Berlin', make: () => Intl.DateTimeFormat().resolvedOptions().timeZone, made: 'receiver.zone.mine', fits: isDaily },
  { name: 'max_per_hour', label: 'receiver.most', kind: 'number', help: 'receiver.most.help' },
];

const PACE = pace([AT_ONCE, ...PERIODS]);

/**
 * A webhook that writes for a service.
 *
 * @param {string} template
 * @param {Key} label
 * @param {Key} about
 * @param {string} example
 * @returns {Kind}
 */
const service = (template, label, about, example) => ({ type: 'webhook', template, label, about, fields: [{ ...URL_FIELD, example }, ...PACE], place: ({ url }) => hostOf(url) });

/** @type {readonly Kind[]} */
export const KINDS = [
  {
    type: 'webhook',
    label: 'receiver.webhook',
    about: 'receiver.webhook.about',
    fields: [
      { ...URL_FIELD, example: 'https://example.org/hook' },
      { name: 'secret', label: 'receiver.secret', kind: 'text', example: 'whsec_…', help: 'receiver.secret.help', make: makeSecret },
      ...PACE,
    ],
    place: ({ url }) => hostOf(url),
  },
  {
    type: 'mail',
    label: 'receiver.mail',
    about: 'receiver.mail.about',
    defaults: { every: '1d' },
    fields: [{ name: 'to', label: 'receiver.mail.to', kind: 'email', required: true, example: 'ann@example.org' }, ...pace(PERIODS)],
    place: ({ to }) => String(to ?? ''),
  },
  service('slack', 'receiver.slack', 'receiver.slack.about', 'https://hooks.slack.com/services/…'),
  service('discord', 'receiver.discord', 'receiver.discord.about', 'https://discord.com/api/webhooks/…'),
  service('teams', 'receiver.teams', 'receiver.teams.about', 'https://….logic.azure.com/workflows/…'),
  service('ntfy', 'receiver.ntfy', 'receiver.ntfy.about', 'https://ntfy.sh/my-topic'),
  service('text', 'receiver.text', 'receiver.text.about', 'https://example.org/lines'),
];

/** @param {Record<string, unknown>} fields of one entry of `deliver` @returns {Kind | undefined} */
export const kindOf = (fields) => KINDS.find((kind) => kind.type === fields.type && kind.template === fields.template);

/** What a saved search sends matches to, in a few words. @param {Record<string, unknown>} fields */
export const placeOf = (fields) => kindOf(fields)?.place(fields) ?? String(fields.type);

/**
 * One entry of `deliver` as the server takes it: without what is empty, or says nothing beside the
 * rest.
 *
 * @param {Record<string, unknown>} fields
 */
export function written(fields) {
  const known = kindOf(fields)?.fields ?? [];
  const entries = Object.entries(fields).filter(([name, value]) => {
    const field = known.find((field) => field.name === name);
    return value !== '' && (field?.fits?.(fields) ?? true);
  });
  return Object.fromEntries(entries.map(([name, value]) => [name, known.some((field) => field.name === name && field.kind === 'number') ? Number(value) : value]));
}
