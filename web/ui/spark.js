// A small picture of how many tweets came. The numbers beside it say the same.

import { html } from './html.js';

/** Of the drawing; the style stretches it. */
const WIDTH = 100;
const HEIGHT = 20;

/** @param {{bars: number[]}} props */
export function Sparkline({ bars }) {
  if (bars.length < 2) return null;
  const most = Math.max(1, ...bars);
  const step = WIDTH / bars.length;
  // Steps, not slopes: each bar is a count of its own.
  const steps = bars.map((count, at) => `V${(HEIGHT - (count / most) * HEIGHT).toFixed(1)}H${((at + 1) * step).toFixed(1)}`);
  return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true"><path d=${`M0 ${HEIGHT}${steps.join('')}V${HEIGHT}Z`} /></svg>`;
}
