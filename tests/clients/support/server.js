// A server process for a test file, on a free port and with an empty data folder.

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
  #args;
  #env;
  #dataDir;
  #ownsDataDir;
  #log = '';

  /**
   * Starts a server. `env` adds or overrides environment variables, and `args` are added to the command. A given `dataDir` is
   * not removed at the end. A restart keeps all of these and the port.
   */
  static async start({ env = {}, args = [], dataDir, port } = {}) {
    const server = new Server();
    server.#binary = process.env.COSCRIBE_BIN;
    assert.ok(server.#binary, 'COSCRIBE_BIN is not set. Set it to the binary to test, or run scripts/test.');
    server.#port = port ?? (await freePort());
    server.#args = args;
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

  /** Starts the process. It must not be running. */
  async launch() {
    this.#isRunning = true;
    this.#process = spawn(this.#binary, ['serve', '--data-dir', this.#dataDir, ...this.#args], {
      env: { ...environment(this.#port), ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exit = once(this.#process, 'exit');
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.#log = (this.#log + text).slice(-20_000)));
    }
    try {
      await until('The server is ready', () => this.#isReady());
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
      return false; // Not listening yet.
    }
  }

  /** Kills or stops the process and starts it again with the same port and data. */
  async restart({ kill = false } = {}) {
    await this.end({ kill });
    await this.launch();
  }

  /** Ends the process with SIGKILL or, for an orderly stop, SIGTERM. Keeps its data. */
  async end({ kill = false } = {}) {
    this.#process.kill(kill ? 'SIGKILL' : 'SIGTERM');
    this.#isRunning = false;
    const [code, signal] = await within(this.#exit, 'The server stops');
    const expected = kill ? { code: null, signal: 'SIGKILL' } : { code: 0, signal: null };
    assert.deepEqual({ code, signal }, expected, `The server logged:\n${this.#log}`);
  }

  /** Stops the server with SIGTERM and removes its data folder. Fails unless the exit code is 0. */
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

/**
 * Returns the environment of the server, without settings inherited from the shell. Password hashing is cheap, the limits of
 * anonymous requests, new accounts and look-ups are high, and no limit of time is reached on a busy machine. The periodic
 * broadcast of awareness is as rare as possible.
 */
function environment(port) {
  const overrides = {
    PORT: String(port),
    COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND: '1000',
    COSCRIBE__LIMITS__REGISTRATIONS_PER_HOUR: '10000',
    COSCRIBE__LIMITS__ADDRESS_LOOK_UPS_PER_HOUR: '10000',
    COSCRIBE__AUTH__ARGON2_MEMORY_KIB: '64',
    COSCRIBE__AUTH__ARGON2_PASSES: '1',
    COSCRIBE__AUTH__UNCONFIRMED_ADDRESSES: 'true',
    COSCRIBE__SERVER__HEAD_WITHIN: '60s',
    COSCRIBE__SERVER__BODY_WITHIN: '60s',
    COSCRIBE__SERVER__ANSWER_PATIENCE: '60s',
    COSCRIBE__SESSION__INIT_WITHIN: '60s',
    COSCRIBE__STORE__ACQUIRE_WITHIN: '60s',
    COSCRIBE__STORE__ANSWER_WITHIN: '60s',
    COSCRIBE__ROOM__APPLY_WITHIN: '60s',
    COSCRIBE__ROOM__AWARENESS_EVERY: '20s',
  };
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^COSCRIBE_|^(DATABASE_URL|REDIS_URL|JWT_SECRET)$/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...overrides };
}

/** Returns a free port below the ephemeral range, so that no outgoing connection takes it during a restart. */
export async function freePort() {
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
