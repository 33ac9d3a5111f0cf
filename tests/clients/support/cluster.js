// Nodes that share a database on PostgreSQL and Redis.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';

import { Server } from './server.js';

const { TEST_DATABASE_URL: postgres, TEST_REDIS_URL: redis } = process.env;

/** Why tests with several nodes cannot run; false if they can. */
export const skip = postgres && redis ? false : 'needs PostgreSQL and Redis: set TEST_DATABASE_URL and TEST_REDIS_URL';

export class Cluster {
  #database = `coscribe_clients_${randomBytes(6).toString('hex')}`;
  #name = randomBytes(6).toString('hex');
  #secret = randomBytes(32).toString('hex');

  /** Creates an empty database. */
  static async create() {
    const cluster = new Cluster();
    sql(`CREATE DATABASE ${cluster.#database}`);
    return cluster;
  }

  /** Starts a node. Other nodes detect its death within seconds. */
  start(env = {}) {
    const url = new URL(postgres);
    url.pathname = `/${this.#database}`;
    return Server.start({
      env: {
        DATABASE_URL: url.href,
        REDIS_URL: redis,
        JWT_SECRET: this.#secret,
        COSCRIBE__REDIS__PREFIX: this.#name,
        COSCRIBE__ROSTER__LEASE: '6s',
        COSCRIBE__ROSTER__RENEW_EVERY: '1s',
        COSCRIBE__REDIS__ANSWER_WITHIN: '2s',
        ...env,
      },
    });
  }

  /** Removes the database. */
  remove() {
    sql(`DROP DATABASE ${this.#database} WITH (FORCE)`);
  }
}

function sql(statement) {
  execFileSync(psql(), ['--quiet', '--dbname', postgres, '--command', statement]);
}

/** Returns the newest psql in the folder of Debian, or else the one on PATH. */
function psql() {
  const folder = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(folder).sort((a, b) => b - a);
    return `${folder}/${versions[0]}/bin/psql`;
  } catch {
    return 'psql';
  }
}
