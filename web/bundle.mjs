// Makes web/dist, what the server sends to browsers: a small script that asks for the first tweets,
// the script in two files that load side by side, one style, what opens later (later.js), and the
// chart's library, which is loaded with the first chart.
//
//   npm ci && npm run bundle
//
// The files are in the repository, so that the server is built without Node. A test checks that
// they are what this script makes.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { build } from 'esbuild';

const WEB = fileURLToPath(new URL('./', import.meta.url));
const DIST = new URL('./dist/', import.meta.url);

/** Files that are sent as they are. */
const COPIED = { 'index.html': 'index.html', 'icon.svg': 'icon.svg', 'vendor/LICENSES.txt': 'LICENSES.txt' };

/**
 * Files that are there compressed, too: the best that takes a while, so the server does not have
 * to.
 *
 * @param {string} name
 */
export const isCompressed = (name) => /\.(?:js|css|html)$/.test(name);

/** @returns {Promise<Map<string, string>>} name and content of each file */
export async function bundled() {
  const { outputFiles } = await build({
    absWorkingDir: WEB,
    entryPoints: ['start.js', 'app.js', 'style.css', 'later.css'],
    outdir: 'dist',
    bundle: true,
    splitting: true,
    format: 'esm',
    minify: true,
    target: ['es2022', 'chrome111', 'firefox114', 'safari16.4'],
    chunkNames: '[name]',
    // Of each library its name, version and license.
    legalComments: 'inline',
    write: false,
    logLevel: 'warning',
  });
  const files = new Map(outputFiles.map(({ path, text }) => [path.slice(path.lastIndexOf('dist/') + 5), text]));
  for (const [from, to] of Object.entries(COPIED)) files.set(to, await readFile(new URL(from, import.meta.url), 'utf8'));
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await rm(DIST, { recursive: true, force: true });
  await mkdir(DIST, { recursive: true });
  for (const [name, content] of await bundled()) {
    await writeFile(new URL(name, DIST), content);
    if (!isCompressed(name)) continue;
    const compressed = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT } });
    await writeFile(new URL(`${name}.br`, DIST), compressed);
    console.log(`${name}: ${content.length} bytes, compressed ${compressed.length}`);
  }
}
