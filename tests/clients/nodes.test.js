// Editors and GraphQL clients of two nodes in one document, at random; then one node is killed under its editors, and they
// move to the other.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { Person } from './support/person.js';
import { at, Plan, seeds, SEEN_AFTER_RESTART_MS } from './support/plan.js';
import { Server } from './support/server.js';

/** Those that every run tries. */
const SEEDS = [1, 2, 20_261_125];

const { TEST_DATABASE_URL: postgres, TEST_REDIS_URL: redis } = process.env;
const skip = postgres && redis ? false : 'needs PostgreSQL and Redis: set TEST_DATABASE_URL and TEST_REDIS_URL';

const database = `coscribe_clients_${randomBytes(6).toString('hex')}`;
const cluster = randomBytes(6).toString('hex');
const secret = randomBytes(32).toString('hex');

if (!skip) {
  before(() => sql(`CREATE DATABASE ${database}`));
  after(() => sql(`DROP DATABASE ${database} WITH (FORCE)`));
}

function sql(statement) {
  execFileSync(psql(), ['--quiet', '--dbname', postgres, '--command', statement]);
}

/** Where Debian keeps it, the newest, or wherever the first on PATH is. */
function psql() {
  const folder = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(folder).sort((a, b) => b - a);
    return `${folder}/${versions[0]}/bin/psql`;
  } catch {
    return 'psql';
  }
}

/** A node of the cluster; of one that dies the others notice it within seconds. */
function node() {
  const url = new URL(postgres);
  url.pathname = `/${database}`;
  return Server.start({
    env: {
      DATABASE_URL: url.href,
      REDIS_URL: redis,
      JWT_SECRET: secret,
      COSCRIBE__REDIS__PREFIX: cluster,
      COSCRIBE__ROSTER__LEASE: '3s',
      COSCRIBE__ROSTER__RENEW_EVERY: '1s',
      COSCRIBE__REDIS__ANSWER_WITHIN: '1s',
    },
  });
}

for (const seed of seeds(SEEDS)) {
  test(`editors of two nodes agree, and move when one is killed (COSCRIBE_SEED=${seed})`, { skip }, async (t) => {
    const [one, other] = [await node(), await node()];
    const register = (name) => Person.register(one, `${name}-${seed}`);
    const [alice, bob, carol] = await Promise.all(['Alice', 'Bob', 'Carol'].map(register));
    const [bobThere, carolThere] = [at(other, bob), at(other, carol)];
    const plan = await Plan.begin(seed, [alice, bobThere, carolThere]);
    t.after(async () => {
      await plan.close();
      await Promise.all([one.stop(), other.stop()]);
    });
    for (const person of [alice, bobThere, bob, carolThere]) await plan.edit(person);
    plan.compose(carol);
    plan.compose(carolThere);
    await plan.run(80);
    await plan.rest();

    await plan.run(20 + plan.dice.below(20));
    await Promise.all([one.end({ kill: true }), plan.run(20)]);
    assert.deepEqual(await plan.broken(bobThere), []);
    plan.move(other);
    await plan.run(40);
    await plan.rest({ seenWithin: SEEN_AFTER_RESTART_MS });
  });
}
