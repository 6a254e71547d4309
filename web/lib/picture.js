// Charts as pictures that stand on their own: SVG text, and PNG drawn from it.

/** @param {string} text */
const escape = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** @typedef {{text: string, back: string, faint: string, colors: string[]}} Colors */

const FONT = 'system-ui, sans-serif';

/**
 * The word cloud.
 *
 * @param {import('./cloud.js').Placed[]} placed
 * @param {{width: number, height: number, colors: Colors}} options
 */
export function cloudSvg(placed, { width, height, colors }) {
  const words = placed.map(
    ({ text, size, x, y }, at) =>
      `<text x="${(x + width / 2).toFixed(1)}" y="${(y + height / 2).toFixed(1)}" font-size="${size}" fill="${colors.colors[at % colors.colors.length]}" text-anchor="middle" dominant-baseline="central">${escape(text)}</text>`,
  );
  return svg(width, height, colors, words.join(''));
}

/**
 * Bars over time.
 *
 * @param {{starts: number[], counts: number[]}} histogram
 * @param {{width: number, height: number, colors: Colors, title: string, label: (time: number) =>
 *   string}} options
 */
export function barsSvg({ starts, counts }, { width, height, colors, title, label }) {
  const most = Math.max(1, ...counts);
  const left = 44;
  const top = 30;
  const bottom = height - 24;
  const step = (width - left - 12) / Math.max(1, counts.length);
  const bars = counts.map((count, at) => {
    const high = (count / most) * (bottom - top);
    return `<rect x="${(left + at * step).toFixed(1)}" y="${(bottom - high).toFixed(1)}" width="${Math.max(1, step - 1).toFixed(1)}" height="${high.toFixed(1)}" fill="${colors.colors[0]}"/>`;
  });
  const first = starts[0];
  const last = starts[starts.length - 1];
  const texts = [
    `<text x="${left}" y="18" font-size="13" fill="${colors.text}">${escape(title)}</text>`,
    `<text x="${left - 6}" y="${top + 4}" font-size="11" fill="${colors.faint}" text-anchor="end">${most}</text>`,
    `<text x="${left - 6}" y="${bottom}" font-size="11" fill="${colors.faint}" text-anchor="end">0</text>`,
    first === undefined ? '' : `<text x="${left}" y="${height - 8}" font-size="11" fill="${colors.faint}">${escape(label(first))}</text>`,
    last === undefined ? '' : `<text x="${width - 12}" y="${height - 8}" font-size="11" fill="${colors.faint}" text-anchor="end">${escape(label(last))}</text>`,
  ];
  return svg(width, height, colors, bars.join('') + texts.join(''));
}

/** @param {number} width @param {number} height @param {Colors} colors @param {string} content */
const svg = (width, height, colors, content) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}"><rect width="${width}" height="${height}" fill="${colors.back}"/>${content}</svg>`;

/** @param {string} text an SVG with its size @returns {Promise<Blob>} */
export async function pngOf(text) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * 2;
  canvas.height = image.height * 2;
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no picture'))), 'image/png'));
}
