// A short tone when a tweet comes.

/** Between two tones, in ms: many tweets are one tone. */
const REST_MS = 3000;
const TONE_SECONDS = 0.18;

/** @type {AudioContext | null} */
let audio = null;
let last = -Infinity;

/** Browsers let a page sound only once somebody has clicked: called by that click. */
export function allowSound() {
  audio ??= new AudioContext();
  void audio.resume();
}

/** @param {number} now in ms */
export function ring(now) {
  if (now - last < REST_MS) return;
  last = now;
  audio ??= new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  const { currentTime } = audio;
  tone.frequency.setValueAtTime(880, currentTime);
  volume.gain.setValueAtTime(0.08, currentTime);
  volume.gain.exponentialRampToValueAtTime(0.0001, currentTime + TONE_SECONDS);
  tone.connect(volume).connect(audio.destination);
  tone.start(currentTime);
  tone.stop(currentTime + TONE_SECONDS);
}
