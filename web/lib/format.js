// Numbers and times for people, by the browser's own rules.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param {string} [locale] */
export function formats(locale) {
  const whole = new Intl.NumberFormat(locale);
  const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
  const one = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' });
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
  const seconds = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
  const short = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const zone = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' });
  const month = new Intl.DateTimeFormat(locale, { month: 'short', year: 'numeric' });
  const year = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
  const units = Object.fromEntries(
    ['second', 'minute', 'hour', 'day'].map((unit) => [unit, new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'narrow' })]),
  );
  return {
    /** @param {number} n 12,345 */
    count: (n) => whole.format(n),
    /** @param {number} n 12.3K */
    short: (n) => (n < 1000 ? whole.format(n) : compact.format(n)),
    /** @param {number} time */
    full: (time) => (Number.isFinite(time) ? full.format(time) : ''),
    /**
     * How long ago: 5s, 3m, 2h, 4d, then the date.
     *
     * @param {number} time
     * @param {number} now
     */
    age(time, now) {
      if (!Number.isFinite(time)) return '–';
      // Clocks differ a little: what comes from the future was just now.
      const ms = Math.max(0, now - time);
      if (ms < MINUTE) return units.second?.format(Math.floor(ms / SECOND));
      if (ms < HOUR) return units.minute?.format(Math.floor(ms / MINUTE));
      if (ms < DAY) return units.hour?.format(Math.floor(ms / HOUR));
      if (ms < 7 * DAY) return units.day?.format(Math.floor(ms / DAY));
      return new Date(time).getFullYear() === new Date(now).getFullYear() ? day.format(time) : year.format(time);
    },
    /** The time zone that times are said in. @param {number} time */
    zone: (time) => zone.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? '',
    /** The time of day, to the second. @param {number} time */
    clock: (time) => (Number.isFinite(time) ? seconds.format(time) : ''),
    /** A moment of today by the clock, another one with its day. @param {number} time */
    moment(time) {
      if (!Number.isFinite(time)) return '';
      return new Date(time).toDateString() === new Date().toDateString() ? seconds.format(time) : short.format(time);
    },
    /**
     * A time on an axis: as exact as the axis is.
     *
     * @param {number} time
     * @param {number} step from one to the next, in ms
     */
    tick(time, step) {
      // Where a day begins, which one it is says more than that it is midnight.
      const isMidnight = step >= HOUR && new Date(time).getHours() === 0;
      return (step < MINUTE ? seconds : step < DAY && !isMidnight ? clock : step < 28 * DAY ? day : month).format(time);
    },
    /** @param {number} ms a length of time: 5 min, 7 days */
    interval(ms) {
      const [unit, length] = ms < MINUTE ? ['second', SECOND] : ms < HOUR ? ['minute', MINUTE] : ms < DAY ? ['hour', HOUR] : ['day', DAY];
      return new Intl.NumberFormat(locale, { style: 'unit', unit: String(unit), unitDisplay: 'short' }).format(ms / Number(length));
    },
    /** @param {number} share from 0 to 1 */
    percent: (share) => percent.format(share),
    /** @param {number} n with one digit behind the point at most */
    decimal: (n) => one.format(n),
  };
}

/**
 * A rate in the unit that makes it a number between 1 and a hundred or so.
 *
 * @param {number} perSecond
 * @returns {{n: number, unit: 'second' | 'minute' | 'hour' | 'day'}}
 */
export function rateOf(perSecond) {
  if (perSecond >= 1) return { n: perSecond < 10 ? Math.round(perSecond * 10) / 10 : Math.round(perSecond), unit: 'second' };
  if (perSecond * 60 >= 2) return { n: Math.round(perSecond * 60), unit: 'minute' };
  if (perSecond * 3600 >= 1) return { n: Math.round(perSecond * 3600), unit: 'hour' };
  return { n: Math.max(perSecond > 0 ? 1 : 0, Math.round(perSecond * 86_400)), unit: 'day' };
}

/**
 * How often tweets come, judged by the newest ones.
 *
 * @param {number[]} times of the newest tweets, in ms, in any order
 * @param {number} now
 * @returns {number | null} a second; null when there is nothing to judge by
 */
export function estimateRate(times, now) {
  const known = times.filter(Number.isFinite);
  if (known.length < 2) return null;
  const oldest = Math.min(...known);
  const span = Math.max(now, Math.max(...known)) - oldest;
  return span > 0 ? ((known.length - 1) / span) * SECOND : null;
}

/** Tweets a second over the last few seconds. */
export class RateMeter {
  /** Counts of the last seconds, by second. @type {Map<number, number>} */
  #counts = new Map();
  /** @type {number | null} */
  #first = null;

  /** @param {number} [seconds] how far it looks back */
  constructor(seconds = 10) {
    this.seconds = seconds;
  }

  /** @param {number} now in ms @param {number} [n] */
  add(now, n = 1) {
    const second = Math.floor(now / SECOND);
    this.#first ??= second;
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + n);
    for (const old of this.#counts.keys()) if (old <= second - this.seconds - 1) this.#counts.delete(old);
  }

  /** @param {number} now in ms */
  rate(now) {
    if (this.#first === null) return 0;
    const second = Math.floor(now / SECOND);
    let sum = 0;
    for (const [at, n] of this.#counts) if (at > second - this.seconds && at <= second) sum += n;
    return sum / Math.min(this.seconds, Math.max(1, second - this.#first + 1));
  }
}

/** So many of the newest tweets are the measure of a slow rate. */
export const TEMPO_TWEETS = 30;
const ENOUGH_TWEETS = 5;
/** As many a second or more are counted by the second. */
const QUICK_RATE = 1;

/**
 * How fast a search is: by the last seconds where tweets are many, and by the last tweets where
 * they are few.
 */
export class Tempo {
  #quick = new RateMeter();
  /** When the last tweets came, in ms. @type {number[]} */
  #times = [];

  /** @param {number} now in ms */
  add(now) {
    this.#quick.add(now);
    this.#times.push(now);
    if (this.#times.length > TEMPO_TWEETS) this.#times.shift();
  }

  /**
   * @param {number} now in ms
   * @param {() => number[]} history when the newest tweets of history were written, in ms
   */
  rate(now, history) {
    const quick = this.#quick.rate(now);
    if (quick >= QUICK_RATE) return quick;
    // Until some have come, what came before the page was opened tells more.
    const times = this.#times.length >= ENOUGH_TWEETS ? this.#times : [...history(), ...this.#times].slice(-TEMPO_TWEETS);
    return estimateRate(times, now) ?? 0;
  }
}
