// One server of our own per test file, on a free port and with an empty data folder.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { until, within } from './patience.js';

export class Server {
  #binary;
  #process;
  #exit;
  #isRunning = false;
  #port;
  #env;
  #dataDir;
  #ownsDataDir;
  #log = '';

  /**
   * Starts a server: with more or other environment variables, in a data folder that is kept afterwards, on a given
   * port. Restarted, it has all three again.
   */
  static async start({ env = {}, dataDir, port } = {}) {
    const server = new Server();
    server.#binary = process.env.COSCRIBE_BIN;
    assert.ok(server.#binary, 'COSCRIBE_BIN names the binary to test; scripts/test sets it.');
    server.#port = port ?? (await freePort());
    server.#env = env;
    server.#ownsDataDir = dataDir === undefined;
    server.#dataDir = dataDir ?? (await mkdtemp(path.join(os.tmpdir(), 'coscribe-clients-')));
    server.url = `http://127.0.0.1:${server.#port}`;
    server.graphql = `${server.url}/graphql`;
    server.socket = `ws://127.0.0.1:${server.#port}/graphql`;
    server.sync = `ws://127.0.0.1:${server.#port}/sync`;
    try {
      await server.launch();
    } catch (error) {
      await server.#remove();
      throw error;
    }
    return server;
  }

  get dataDir() {
    return this.#dataDir;
  }

  /** Starts the process, where there is none. */
  async launch() {
    this.#isRunning = true;
    this.#process = spawn(this.#binary, ['serve', '--data-dir', this.#dataDir], {
      env: { ...environment(this.#port), ...this.#env },
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

  /** Starts it again on the same port and data: after a kill, or after stopping it as an operator would. */
  async restart({ kill = false } = {}) {
    await this.end({ kill });
    await this.launch();
  }

  /** Ends the process, killed in the middle of whatever it does, or in order. What it stored is kept. */
  async end({ kill = false } = {}) {
    this.#process.kill(kill ? 'SIGKILL' : 'SIGTERM');
    this.#isRunning = false;
    const [code, signal] = await within(this.#exit, 'The server stops', 30_000);
    const expected = kill ? { code: null, signal: 'SIGKILL' } : { code: 0, signal: null };
    assert.deepEqual({ code, signal }, expected, `The server said:\n${this.#log}`);
  }

  /** Stops the server as an operator would, and fails unless it finishes in order. */
  async stop() {
    try {
      if (this.#isRunning) await this.end();
    } finally {
      await this.#remove();
    }
  }

  async #remove() {
    this.#process.kill('SIGKILL');
    if (this.#ownsDataDir) await rm(this.#dataDir, { recursive: true, force: true });
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

/** Not one of those that the system gives to outgoing connections: a server that is started again needs it again. */
async function freePort() {
  for (;;) {
    const port = 10_000 + randomInt(20_000);
    const listener = createServer().listen(port, '127.0.0.1');
    const isFree = await once(listener, 'listening').then(() => true, () => false);
    if (!isFree) continue;
    listener.close();
    await once(listener, 'close');
    return port;
  }
}
