// Random plans over two nodes: Yjs editors and GraphQL clients edit one document. Then one node is killed, and its clients
// move to the other node.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Cluster, skip } from './support/cluster.js';
import { createDocument, grant, readDocument, revoke } from './support/documents.js';
import { Page } from './support/page.js';
import { until } from './support/patience.js';
import { Person } from './support/person.js';
import { personAt, Plan, chooseSeeds, AWARENESS_AFTER_RESTART_MS } from './support/plan.js';

/** The seeds of every run. */
const SEEDS = [1, 2, 20_261_125];

let cluster;

if (!skip) {
  before(async () => (cluster = await Cluster.create()));
  after(() => cluster.remove());
}

for (const seed of chooseSeeds(SEEDS)) {
  test(`editors on two nodes converge and survive the loss of a node (COSCRIBE_SEED=${seed})`, { skip }, async (t) => {
    const [first, second] = [await cluster.start(), await cluster.start()];
    const register = (name) => Person.register(first, `${name}-${seed}`);
    const [alice, bob, carol] = await Promise.all(['Alice', 'Bob', 'Carol'].map(register));
    const [bobOnSecond, carolOnSecond] = [personAt(second, bob), personAt(second, carol)];
    const plan = await Plan.create(seed, [alice, bobOnSecond, carolOnSecond]);
    t.after(async () => {
      await plan.close();
      await Promise.all([first.stop(), second.stop()]);
    });
    for (const person of [alice, bobOnSecond, bob, carolOnSecond]) await plan.openEditor(person);
    plan.subscribe(carol);
    plan.subscribe(carolOnSecond);
    await plan.run(80);
    await plan.expectConvergence();

    await plan.run(20 + plan.random.below(20));
    await Promise.all([first.end({ kill: true }), plan.run(20)]);
    assert.deepEqual(await plan.findLostWrites(bobOnSecond), []);
    plan.moveTo(second);
    await plan.run(40);
    await plan.expectConvergence({ awarenessWithin: AWARENESS_AFTER_RESTART_MS });
  });
}

test('pages with HocuspocusProvider on two nodes share text, awareness and stateless messages', { skip }, async (t) => {
  const [first, second] = [await cluster.start(), await cluster.start()];
  const [alice, bob] = [await Person.register(first, 'Page-Alice'), await Person.register(first, 'Page-Bob')];
  const { id } = await createDocument(alice, 'Together', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  const pages = [new Page(alice), new Page(personAt(second, bob))];
  t.after(async () => {
    for (const page of pages) page.close();
    await Promise.all([first.stop(), second.stop()]);
  });
  const [alices, bobs] = await Promise.all(pages.map((page) => page.open(id)));
  bobs.append(', world');
  await bobs.saved();
  await alices.expectText('Hello, world');
  assert.equal((await readDocument(alice, id)).content, 'Hello, world');

  bobs.provider.setAwarenessField('mood', 'good');
  await until('Alice sees Bob', () => alices.provider.awareness.getStates().get(bobs.doc.clientID)?.mood === 'good');
  // A message is sent once, and a node that does not know yet that another one listens keeps it to itself.
  await until('Alice is asked', () => {
    bobs.provider.sendStateless('Lunch?');
    return alices.stateless.length > 0;
  });
  assert.equal(alices.stateless[0], 'Lunch?');
  assert.deepEqual(bobs.stateless, []);

  await revoke(alice, id, bob.id);
  await until('The access has ended', () => bobs.closes.length === 1);
  assert.match(bobs.denials[0], /no access/);
});
