// Copies the libraries the page uses from node_modules to web/vendor, so that the sources run in a
// browser as they are.
//
//   npm ci && node web/vendor.mjs
//
// Each file starts with its name, version and license. Imports by name become relative ones: the
// page's content security policy forbids inline scripts, and with them import maps. A test checks
// that web/vendor is what this script makes.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Where the files go. */
const VENDOR = new URL('./vendor/', import.meta.url);
const MODULES = new URL('../node_modules/', import.meta.url);

/** Package, its file, and what the file is called here. */
const FILES = [
  { pkg: 'preact', from: 'dist/preact.mjs', to: 'preact.js' },
  { pkg: 'preact', from: 'hooks/dist/hooks.mjs', to: 'hooks.js', types: 'preact/hooks' },
  { pkg: '@preact/signals-core', from: 'dist/signals-core.mjs', to: 'signals-core.js' },
  { pkg: '@preact/signals', from: 'dist/signals.mjs', to: 'signals.js' },
  { pkg: 'htm', from: 'dist/htm.mjs', to: 'htm.js' },
  // The published module is not minified; this one is, and becomes a module by its last line.
  { pkg: 'uplot', from: 'dist/uPlot.iife.min.js', to: 'uplot.js', footer: 'export default uPlot;\n' },
  { pkg: 'uplot', from: 'dist/uPlot.min.css', to: 'uplot.css', types: null },
];

/** Imports by name, and the files they mean here. */
const NAMES = new Map([
  ['preact', './preact.js'],
  ['preact/hooks', './hooks.js'],
  ['@preact/signals-core', './signals-core.js'],
]);

/** @returns {Promise<Map<string, string>>} name and content of each file */
export async function vendored() {
  const files = new Map();
  const packages = new Set();
  for (const { pkg, from, to, footer = '', types = pkg } of FILES) {
    const about = JSON.parse(await readFile(new URL(`${pkg}/package.json`, MODULES), 'utf8'));
    const code = (await readFile(new URL(`${pkg}/${from}`, MODULES), 'utf8'))
      .replace(/^\/\/# sourceMappingURL=.*$/gm, '')
      .replace(/((?:from|import)\s*)"([^"./][^"]*)"/g, (whole, lead, name) => {
        const file = NAMES.get(name);
        if (file === undefined) throw new Error(`${pkg} imports ${name}, which is not vendored`);
        return `${lead}"${file}"`;
      })
      .trim();
    files.set(to, `/*! ${pkg} ${about.version}, ${about.license}, see LICENSES.txt */\n${code}\n${footer}`);
    if (types) files.set(to.replace(/\.js$/, '.d.ts'), typesOf(types));
    packages.add(pkg);
  }
  let licenses = 'What web/vendor holds, and under which licenses. Made by web/vendor.mjs.\n';
  for (const pkg of packages) {
    const about = JSON.parse(await readFile(new URL(`${pkg}/package.json`, MODULES), 'utf8'));
    const text = await readFile(new URL(`${pkg}/LICENSE`, MODULES), 'utf8');
    licenses += `\n${'='.repeat(72)}\n${pkg} ${about.version} (${about.license})\n\n${text.trim()}\n`;
  }
  files.set('LICENSES.txt', licenses);
  return files;
}

/** @param {string} name */
function typesOf(name) {
  const hasDefault = name === 'htm' || name === 'uplot';
  return `export * from '${name}';\n${hasDefault ? `export { default } from '${name}';\n` : ''}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(VENDOR, { recursive: true });
  for (const [name, content] of await vendored()) {
    await writeFile(new URL(name, VENDOR), content);
    console.log(`${name}: ${content.length} bytes`);
  }
}
