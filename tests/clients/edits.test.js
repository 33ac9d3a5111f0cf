// Two authors edit concurrently over graphql-ws. A subscriber applies the deltas, and the updates with Yjs 13; both yield
// the same text.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as Y from 'yjs';

import { applyDelta } from './support/delta.js';
import { createDocument, grant, readDocument } from './support/documents.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';
import { Stream } from './support/stream.js';
import { Tab } from './support/tab.js';

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

const SINCE = `subscription ($id: ID!, $since: Int) {
  documentChanged(documentId: $id, since: $since) {
    kind version delta { retain insert delete } update content
  }
}`;

/** Subscribes to all changes after the version `since`. */
function changesSince(tab, document, since) {
  const changes = new Stream(`${tab.person.name}'s changes`);
  tab.client.subscribe({ query: SINCE, variables: { id: document, since } }, changes.sink('documentChanged'));
  return changes;
}

async function editDocument(client, document, baseVersion, delta, mutationId) {
  const mutation = `mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $mutationId: ID) {
    editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $mutationId) { version }
  }`;
  const variables = { id: document, base: baseVersion, delta, mutationId };
  return data(await client.run(mutation, variables)).editDocument.version;
}

test('Yjs 13 updates and deltas yield the same text', async (t) => {
  const { id } = await createDocument(alice, 'Together');
  await grant(alice, id, 'EDIT', bob.email);
  const [reader, alices, bobs] = await Promise.all([alice, alice, bob].map((person) => Tab.connect(person)));
  t.after(() => Promise.all([reader, alices, bobs].map((tab) => tab.close())));
  const changes = changesSince(reader, id, 1);

  const edits = [];
  for (let n = 0; n < 20; n += 1) {
    edits.push(editDocument(alices, id, 1, [{ insert: `Alice ${n} 🎈\n` }]));
    edits.push(editDocument(bobs, id, 1, [{ insert: `Bob ${n} e\u0301👨‍👩‍👧\n` }]));
  }
  await Promise.all(edits);
  const head = 1 + edits.length;
  // One edit that also deletes.
  await editDocument(bobs, id, head, [{ insert: '⟨author⟩' }, { delete: 3 }]);

  const ydoc = new Y.Doc();
  let text = '';
  for (let version = 2; version <= head + 1; version += 1) {
    const change = await changes.next();
    assert.equal(change.version, version);
    text = applyDelta(text, change.delta);
    Y.applyUpdate(ydoc, Buffer.from(change.update, 'base64'));
    assert.equal(text, change.content);
    assert.equal(ydoc.getText('content').toString(), change.content);
  }
  assert.equal((await readDocument(bob, id)).content, text);
});

test('a reconnected client resumes at its version, and a repeated edit is stored once', async (t) => {
  const { id } = await createDocument(alice, 'Reconnect', 'Hello');
  const first = await Tab.connect(alice);
  assert.equal(await editDocument(first, id, 1, [{ insert: 'One. ' }], 'an edit id'), 2);
  await first.close();
  assert.equal(await editDocument(alice, id, 2, [{ insert: 'Two. ' }]), 3);

  const second = await Tab.connect(alice);
  t.after(() => second.close());
  assert.equal(await editDocument(second, id, 1, [{ insert: 'One. ' }], 'an edit id'), 2);
  const changes = changesSince(second, id, 2);
  const change = await changes.next();

  assert.deepEqual([change.version, change.content], [3, 'Two. One. Hello']);
  assert.equal(await editDocument(alice, id, 3, [{ retain: 15 }, { insert: '!' }]), 4);
});
