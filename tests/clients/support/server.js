// One server of our own per test file, on a free port and with an empty data folder.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { until, within } from './patience.js';

export class Server {
  #process;
  #exit;
  #dataDir;
  #log = '';

  static async start() {
    const binary = process.env.COSCRIBE_BIN;
    assert.ok(binary, 'COSCRIBE_BIN names the binary to test; scripts/test sets it.');
    const server = new Server();
    await server.#launch(binary);
    return server;
  }

  async #launch(binary) {
    const port = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    this.graphql = `${this.url}/graphql`;
    this.socket = `ws://127.0.0.1:${port}/graphql`;
    this.sync = `ws://127.0.0.1:${port}/sync`;
    this.#dataDir = await mkdtemp(path.join(os.tmpdir(), 'coscribe-clients-'));
    this.#process = spawn(binary, ['serve', '--data-dir', this.#dataDir], {
      env: environment(port),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exit = once(this.#process, 'exit');
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.#log = (this.#log + text).slice(-20_000)));
    }
    try {
      await until('The server is ready', () => this.#isReady(), 30_000);
    } catch (error) {
      this.#process.kill('SIGKILL');
      throw error;
    }
  }

  async #isReady() {
    if (this.#process.exitCode !== null) throw new Error(`The server did not start:\n${this.#log}`);
    try {
      return (await fetch(`${this.url}/readyz`)).status === 200;
    } catch {
      return false; // It does not listen yet.
    }
  }

  /** Stops the server as an operator would, and fails unless it finishes in order. */
  async stop() {
    this.#process.kill('SIGTERM');
    try {
      const [code, signal] = await within(this.#exit, 'The server stops', 30_000);
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, `The server said:\n${this.#log}`);
    } finally {
      this.#process.kill('SIGKILL');
      await rm(this.#dataDir, { recursive: true, force: true });
    }
  }
}

/** Nothing of the machine's own settings reaches the server; passwords are hashed cheaply, strangers ask often. */
function environment(port) {
  const ours = { PORT: String(port), COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND: '1000', COSCRIBE__AUTH__ARGON2_MEMORY_KIB: '64', COSCRIBE__AUTH__ARGON2_PASSES: '1' };
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^COSCRIBE_|^(DATABASE_URL|REDIS_URL|JWT_SECRET)$/.test(name),
  );
  return { ...Object.fromEntries(kept), ...ours };
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}
