// Editors and GraphQL clients in one document, at random, while they come and go and the server does: everybody ends with
// the same text, and nothing is lost or doubled.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createDocument, grant, presentSessions, readDocument } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { Person } from './support/person.js';
import { at, Plan, seeds, SEEN_AFTER_RESTART_MS, SEEN_WITHIN_MS } from './support/plan.js';
import { Server } from './support/server.js';

/** Those that every run tries. */
const SEEDS = [1, 2, 20_261_125];

const NAMES = ['Alice', 'Bob', 'Carol', 'Dave'];

const everybody = (server) => Promise.all(NAMES.map((name) => Person.register(server, name)));

let server, people;

before(async () => {
  server = await Server.start();
  people = await everybody(server);
});
after(() => server.stop());

/** A test for each seed, which says how to run it again. */
function planned(what, run) {
  for (const seed of seeds(SEEDS)) {
    test(`${what} (COSCRIBE_SEED=${seed})`, (t) => run(t, seed));
  }
}

async function begin(t, seed, editors, among = people) {
  const plan = await Plan.begin(seed, among);
  t.after(() => plan.close());
  for (const person of editors) await plan.edit(person);
  plan.compose(among[3]);
  return plan;
}

for (const [count, tabs] of [['two', [0, 1]], ['five', [0, 1, 1, 2, 0]]]) {
  planned(`${count} editors agree at rest, with the database and with a composed text`, async (t, seed) => {
    const plan = await begin(t, seed, tabs.map((person) => people[person]));
    await plan.run(150);
    await plan.rest();
    await plan.run(100);
    await plan.rest();

    await plan.close();
    await until('everybody has left', async () => (await presentSessions(people[0], plan.document)).length === 0);
    const alone = await Editor.open(people[0], plan.document);
    t.after(() => alone.close());
    assert.deepEqual(alone.others(), []);
  });
}

test('a text of a million characters, and small edits in it', async (t) => {
  const { id } = await createDocument(people[0], 'Large');
  const writer = await Editor.open(people[0], id);
  t.after(() => writer.close());
  writer.append('All work and no play. '.repeat(1_000_000 / 22));
  for (let edit = 0; edit < 200; edit += 1) {
    const at = (edit * 7_919) % writer.text.length;
    if (edit % 4 === 3) writer.text.delete(at, 10);
    else writer.insert(at, `<${edit}>`);
  }
  await until('all of it is stored', async () => (await readDocument(people[0], id)).content === writer.content);

  const reader = await Editor.open(people[0], id);
  t.after(() => reader.close());
  assert.equal(reader.content, writer.content);
  reader.append(' The end.');
  await writer.reads(reader.content);
  await until('the end is stored', async () => (await readDocument(people[0], id)).content === reader.content);
});

for (const [how, kill] of [['killed', true], ['stopped', false]]) {
  planned(`a server that is ${how} under those who write loses and doubles nothing`, async (t, seed) => {
    const fragile = await Server.start({ env: { COSCRIBE__SERVER__DRAIN: '1s' } });
    t.after(() => fragile.stop());
    const among = await everybody(fragile);
    const plan = await begin(t, seed, [among[0], among[1], among[1], among[2]], among);
    for (let round = 0; round < 4; round += 1) {
      await plan.run(20 + plan.dice.below(20));
      await Promise.all([fragile.end({ kill }), plan.run(20)]);

      // Another one on the same data, which no editor knows: what was acknowledged is there already.
      const other = await Server.start({ dataDir: fragile.dataDir });
      assert.deepEqual(await plan.broken(at(other, among[0])), []);
      await other.stop();
      await Promise.all([fragile.launch(), plan.run(20)]);
    }
    await plan.rest({ seenWithin: SEEN_AFTER_RESTART_MS, SEEN_WITHIN_MS });
  });
}

/** Two editors, and what Alice sees of Bob. */
async function together(t, alice, bob) {
  const { id } = await createDocument(alice, 'Together');
  await grant(alice, id, 'EDIT', bob.email);
  const [alices, bobs] = [await Editor.open(alice, id), await Editor.open(bob, id)];
  t.after(() => [alices, bobs].forEach((editor) => editor.close()));
  return { alices, bobs, seen: () => alices.others().find(({ user }) => user.id === bob.id) };
}

test('whoever moved a lot is seen as soon as a server that was restarted is back', async (t) => {
  const fragile = await Server.start();
  t.after(() => fragile.stop());
  const [alice, bob] = await everybody(fragile);
  const { alices, bobs, seen } = await together(t, alice, bob);
  for (let move = 1; move <= 60; move += 1) bobs.provider.awareness.setLocalStateField('move', move);
  await until('Alice sees the last move', () => seen()?.move === 60);
  await fragile.restart({ kill: true });
  await Promise.all([alices.synced(), bobs.synced()]);
  await until('Alice sees Bob', () => seen()?.move === 60, SEEN_WITHIN_MS);
});

test('whoever comes back before the old connection is known to be dead speaks for himself, and is seen', async (t) => {
  const { bobs, seen } = await together(t, people[0], people[1]);
  const { provider } = bobs;
  const say = (mood) => provider.awareness.setLocalStateField('mood', mood);
  say('here');
  await until('Alice sees Bob', () => seen()?.mood === 'here');
  const abandoned = bobs.abandon();
  t.after(() => abandoned.close());
  provider.connect();
  await bobs.synced();
  say('back');
  await until('Alice sees how he is now', () => seen()?.mood === 'back', SEEN_WITHIN_MS);
  provider.disconnect();
  provider.connect();
  await until('Alice sees him again', () => seen()?.mood === 'back', SEEN_WITHIN_MS);
});
