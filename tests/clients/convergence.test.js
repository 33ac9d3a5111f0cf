// Random plans on one node: Yjs editors and GraphQL clients edit one document while clients reconnect and the server restarts.
// All replicas converge, and no change is lost or applied twice.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createDocument, grant, presentSessions, readDocument } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { Person } from './support/person.js';
import { personAt, Plan, chooseSeeds, AWARENESS_AFTER_RESTART_MS, AWARENESS_WITHIN_MS } from './support/plan.js';
import { Server } from './support/server.js';

/** The seeds of every run. */
const SEEDS = [1, 2, 20_261_125];

const NAMES = ['Alice', 'Bob', 'Carol', 'Dave'];

const registerPeople = (server) => Promise.all(NAMES.map((name) => Person.register(server, name)));

let server, people;

before(async () => {
  server = await Server.start();
  people = await registerPeople(server);
});
after(() => server.stop());

/** Declares a test for each seed. The name of the test has the seed, with which it can be replayed. */
function testSeeds(what, run) {
  for (const seed of chooseSeeds(SEEDS)) {
    test(`${what} (COSCRIBE_SEED=${seed})`, (t) => run(t, seed));
  }
}

async function begin(t, seed, editors, users = people) {
  const plan = await Plan.create(seed, users);
  t.after(() => plan.close());
  for (const person of editors) await plan.openEditor(person);
  plan.subscribe(users[3]);
  return plan;
}

for (const [count, tabs] of [['two', [0, 1]], ['five', [0, 1, 1, 2, 0]]]) {
  testSeeds(`${count} editors converge with the database and a GraphQL subscriber`, async (t, seed) => {
    const plan = await begin(t, seed, tabs.map((person) => people[person]));
    await plan.run(150);
    await plan.expectConvergence();
    await plan.run(100);
    await plan.expectConvergence();

    await plan.close();
    await until('The document has no presence', async () => (await presentSessions(people[0], plan.document)).length === 0);
    const alone = await Editor.open(people[0], plan.document);
    t.after(() => alone.close());
    assert.deepEqual(alone.peers(), []);
  });
}

test('a text of a million characters accepts small edits', async (t) => {
  const { id } = await createDocument(people[0], 'Large');
  const writer = await Editor.open(people[0], id);
  t.after(() => writer.close());
  writer.append('All work and no play. '.repeat(1_000_000 / 22));
  for (let edit = 0; edit < 200; edit += 1) {
    const at = (edit * 7_919) % writer.text.length;
    if (edit % 4 === 3) writer.text.delete(at, 10);
    else writer.insert(at, `<${edit}>`);
  }
  await until('The whole text is stored', async () => (await readDocument(people[0], id)).content === writer.content);

  const reader = await Editor.open(people[0], id);
  t.after(() => reader.close());
  assert.equal(reader.content, writer.content);
  reader.append(' The end.');
  await writer.expectText(reader.content);
  await until('The last edit is stored', async () => (await readDocument(people[0], id)).content === reader.content);
});

for (const [how, kill] of [['killed', true], ['stopped', false]]) {
  testSeeds(`a server ${how} during edits loses no change and applies none twice`, async (t, seed) => {
    const fragile = await Server.start({ env: { COSCRIBE__SERVER__DRAIN: '1s' } });
    t.after(() => fragile.stop());
    const users = await registerPeople(fragile);
    const plan = await begin(t, seed, [users[0], users[1], users[1], users[2]], users);
    for (let round = 0; round < 4; round += 1) {
      await plan.run(20 + plan.random.below(20));
      await Promise.all([fragile.end({ kill }), plan.run(20)]);

      // A second server on the same data has every acknowledged change. No editor connects to it.
      const other = await Server.start({ dataDir: fragile.dataDir });
      assert.deepEqual(await plan.findLostWrites(personAt(other, users[0])), []);
      await other.stop();
      await Promise.all([fragile.launch(), plan.run(20)]);
    }
    await plan.expectConvergence({ awarenessWithin: AWARENESS_AFTER_RESTART_MS });
  });
}

/** Opens an editor for each user. `bobsState` returns the awareness state of Bob that Alice has. */
async function openPair(t, alice, bob) {
  const { id } = await createDocument(alice, 'Together');
  await grant(alice, id, 'EDIT', bob.email);
  const [alices, bobs] = [await Editor.open(alice, id), await Editor.open(bob, id)];
  t.after(() => [alices, bobs].forEach((editor) => editor.close()));
  return { alices, bobs, bobsState: () => alices.peers().find(({ user }) => user.id === bob.id) };
}

test('awareness with a high clock is visible again after a server restart', async (t) => {
  const fragile = await Server.start();
  t.after(() => fragile.stop());
  const [alice, bob] = await registerPeople(fragile);
  const { alices, bobs, bobsState } = await openPair(t, alice, bob);
  for (let move = 1; move <= 60; move += 1) bobs.provider.awareness.setLocalStateField('move', move);
  await until('Alice receives the last awareness state of Bob', () => bobsState()?.move === 60);
  await fragile.restart({ kill: true });
  await Promise.all([alices.synced(), bobs.synced()]);
  await until('Alice receives the awareness of Bob again', () => bobsState()?.move === 60, AWARENESS_WITHIN_MS);
});

test('a reconnected editor replaces the awareness of its half-open connection', async (t) => {
  const { bobs, bobsState } = await openPair(t, people[0], people[1]);
  const { provider } = bobs;
  const setMood = (mood) => provider.awareness.setLocalStateField('mood', mood);
  setMood('here');
  await until('Alice receives the awareness of Bob', () => bobsState()?.mood === 'here');
  const abandoned = bobs.abandon();
  t.after(() => abandoned.close());
  provider.connect();
  await bobs.synced();
  setMood('back');
  await until('Alice receives the new awareness of Bob', () => bobsState()?.mood === 'back', AWARENESS_WITHIN_MS);
  provider.disconnect();
  provider.connect();
  await until('Alice receives the awareness of Bob again', () => bobsState()?.mood === 'back', AWARENESS_WITHIN_MS);
});
