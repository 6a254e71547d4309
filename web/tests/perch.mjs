// The real server, for tests: started on a free port with an index of its own.

import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exactJson } from '../lib/export.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What tokens are signed with; a server that asks for them finds it in the file `secret`. */
const SECRET = '0123456789abcdef0123456789abcdef';
const NAME = process.platform === 'win32' ? 'perch.exe' : 'perch';

/** `cargo test` has built it. */
function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
  const found = process.env.PERCH_BINARY ?? [join(target, 'debug', NAME), join(target, 'release', NAME)].find((path) => existsSync(path));
  if (!found) throw new Error('the server is needed: cargo build');
  return found;
}

export class Perch {
  url = '';
  /** What the file `secret` in its working directory holds. */
  secret = SECRET;
  /** @type {string[]} */
  settings = [];
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null;
  #dir = '';
  #stderr = '';

  /**
   * @param {string} [source] TOML: none by default
   * @param {string[]} [set] settings, each `key=value`
   */
  static async start(source = '[]', set = []) {
    const perch = new Perch();
    perch.settings = [`source=${source}`, ...set];
    perch.#dir = await mkdtemp(join(tmpdir(), 'perch-'));
    await writeFile(join(perch.#dir, 'secret'), SECRET);
    await perch.run('127.0.0.1:0');
    return perch;
  }

  /** @param {string} listen */
  async run(listen) {
    const args = ['serve', '--listen', listen, '--index-dir', join(this.#dir, 'index'), ...this.settings.flatMap((setting) => ['--set', setting])];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PERCH_')));
    const child = spawn(binary(), args, { cwd: this.#dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (text) => (this.#stderr = (this.#stderr + text).slice(-10_000)));
    this.url = await new Promise((resolve, reject) => {
      let out = '';
      child.stdout.on('data', (text) => {
        out += text;
        const found = /listening on (http:\S+)/.exec(out)?.[1];
        if (found) resolve(`${found}/`);
      });
      child.once('exit', (code) => reject(new Error(`perch ended (${code}):\n${this.#stderr}`)));
    });
  }

  /** Kills it in the middle of whatever it does. */
  async kill() {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Starts it again where it was. */
  async again() {
    await this.run(new URL(this.url).host);
  }

  async stop() {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** A JSON Web Token. @param {Record<string, unknown>} claims */
  token(claims) {
    const part = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${message}.${createHmac('sha256', SECRET).update(message).digest('base64url')}`;
  }

  /** @param {unknown[]} tweets */
  post(...tweets) {
    return this.postText(tweets.map((tweet) => `${exactJson(tweet)}\n`).join(''));
  }

  /** Posts tweets as they come, in one request. @param {() => AsyncIterable<unknown[]>} batches */
  stream(batches) {
    const lines = async function* () {
      const encoder = new TextEncoder();
      for await (const tweets of batches()) yield encoder.encode(tweets.map((tweet) => `${exactJson(tweet)}\n`).join(''));
    };
    return this.postText(lines());
  }

  /** @param {string | AsyncIterable<Uint8Array>} body */
  async postText(body) {
    const response = await fetch(`${this.url}api/tweets`, /** @type {any} */ ({ method: 'POST', body, duplex: 'half' }));
    const answer = await response.json();
    if (answer.refused !== 0) throw new Error(JSON.stringify(answer).slice(0, 500));
  }

  /** Deletes a tweet. @param {string} id */
  async delete(id) {
    const response = await fetch(`${this.url}api/tweets/${encodeURIComponent(id)}`, { method: 'DELETE' });
    if (!response.ok) throw new Error(await response.text());
  }

  /**
   * The ids of all tweets that match, newest first.
   * @param {string} query
   * @returns {Promise<string[]>}
   */
  async search(query) {
    const ids = [];
    let before = '';
    for (;;) {
      const response = await fetch(`${this.url}api/search?q=${encodeURIComponent(query)}&n=1000${before && `&before_id=${before}`}`);
      const { result, next } = await response.json();
      ids.push(...result.map((/** @type {any} */ tweet) => tweet.id_str));
      if (next === null) return ids;
      before = next;
    }
  }
}
