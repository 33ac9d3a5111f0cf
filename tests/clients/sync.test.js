// Yjs editors with the stock y-websocket provider, beside each other and beside GraphQL clients.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as Y from 'yjs';

import { createDocument, grant, readDocument, revoke, deleteDocument, tryToMoveCursor } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';
import { allHearChanges, Tab } from './support/tab.js';

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** A document of Alice's that Bob may open, at `level`. */
async function shared(content = '', level = 'EDIT') {
  const { id } = await createDocument(alice, 'Together', content);
  await grant(alice, id, level, bob.email);
  return id;
}

async function open(t, person, document, options) {
  const editor = await Editor.open(person, document, options);
  t.after(() => editor.close());
  return editor;
}

test('an editor opens a document and sees what others write, as does a GraphQL client', async (t) => {
  const document = await shared('Hello');
  const alices = await open(t, alice, document);
  const bobs = await open(t, bob, document);
  assert.equal(alices.content, 'Hello');
  const tab = await Tab.open(alice, document);
  t.after(() => tab.close());
  await allHearChanges([tab], bob, document);

  bobs.append(', world');
  await alices.reads('Hello, world');
  const change = await tab.changes.next();
  assert.deepEqual([change.kind, change.content, change.author.name], ['EDITED', 'Hello, world', 'Bob']);

  const edit = `mutation ($id: ID!, $base: Int!) {
    editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: "« " }]) { version }
  }`;
  const edited = data(await tab.ask(edit, { id: document, base: change.version }));
  assert.equal(edited.editDocument.version, change.version + 1);
  await alices.reads('« Hello, world');
  await bobs.reads('« Hello, world');
  assert.equal((await readDocument(alice, document)).content, '« Hello, world');
});

test('an editor that asks for it is told what is stored', async (t) => {
  const document = await shared();
  const editor = await open(t, alice, document, { params: { saved: true } });
  editor.append('kept');
  await until('It is stored', () => editor.saved?.stateVector.get(editor.doc.clientID) === 4);
  assert.equal(editor.saved.version, 2);
  assert.equal((await readDocument(alice, document)).content, 'kept');
});

test('whoever may only read is told so, and stays', async (t) => {
  const document = await shared('Read me', 'VIEW');
  const [alices, bobs] = [await open(t, alice, document), await open(t, bob, document)];
  bobs.append('!!');
  await until('Bob is refused', () => bobs.denied > 0);
  alices.append('.');
  await until('Bob hears of Alice', () => bobs.content.includes('.'));
  assert.equal((await readDocument(alice, document)).content, 'Read me.');
  assert.equal(alices.content, 'Read me.');

  await grant(alice, document, 'EDIT', bob.email);
  bobs.append('?');
  await until('what he wrote before comes with it', () => alices.content.includes('!!') && alices.content.includes('?'));
  assert.equal(alices.content, bobs.content);
});

test('awareness and presence are one list', async (t) => {
  const document = await shared('one\ntwo\n');
  const tab = await Tab.open(alice, document);
  t.after(() => tab.close());
  const bobs = await open(t, bob, document);
  const joined = await tab.presence.next();
  assert.deepEqual([joined.kind, joined.presence.user.name], ['JOINED', 'Bob']);

  // A GraphQL client is shown to editors, and its cursor as a relative position.
  await until('Bob sees Alice', () => bobs.others().some(({ user }) => user.id === alice.id));
  data(await tryToMoveCursor(tab, document, { line: 1, column: 1, anchor: { line: 0, column: 2 } }));
  const state = await until('Bob sees her cursor', () => bobs.others().find(({ cursor }) => cursor));
  const place = (json) =>
    Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(json), bobs.doc).index;
  assert.deepEqual([place(state.cursor.head), place(state.cursor.anchor)], [5, 2]);
  assert.deepEqual(state.selection, state.cursor);
  assert.equal(state.user.name, 'Alice');
  assert.match(state.user.color, /^#[0-9a-f]{6}$/);

  // An editor is whom its token says, whatever it claims; its cursor has a line and a column.
  const at = (index) => Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(bobs.text, index));
  bobs.provider.awareness.setLocalState({ user: { name: 'Mallory' }, cursor: { anchor: at(4), head: at(6) } });
  const moved = await tab.cursors.next();
  assert.deepEqual(moved.cursor, { line: 1, column: 2, anchor: { line: 1, column: 0 } });
  assert.equal(moved.user.name, 'Bob');
  const alices = await open(t, alice, document);
  const seen = await until('Alice sees Bob', () => alices.others().find(({ user }) => user.id === bob.id));
  assert.deepEqual([seen.user.name, seen.client], ['Bob', bobs.doc.clientID]);

  bobs.provider.awareness.setLocalStateField('cursor', null);
  const query = 'query ($id: ID!) { documentPresence(documentId: $id) { user { id } cursor { line column } } }';
  await until('Bob has no cursor', async () => {
    const present = data(await alice.ask(query, { id: document })).documentPresence;
    return present.some(({ user, cursor }) => user.id === bob.id && cursor === null);
  });

  bobs.close();
  await until('Bob has gone', () => alices.others().every(({ user }) => user.id !== bob.id));
  for (;;) {
    const change = await tab.presence.next();
    if (change.kind === 'LEFT') {
      assert.equal(change.presence.user.name, 'Bob');
      break;
    }
  }
});

test('what was written while away comes with the editor', async (t) => {
  const document = await shared('start');
  const [alices, bobs] = [await open(t, alice, document), await open(t, bob, document)];
  bobs.provider.disconnect();
  bobs.append(' bob');
  alices.insert(0, 'alice ');
  await until('Alice is stored', async () => (await readDocument(alice, document)).content === 'alice start');
  bobs.provider.connect();
  await alices.reads('alice start bob');
  await bobs.reads('alice start bob');
  assert.equal((await readDocument(alice, document)).version, 3);
});

test('who loses access, or never had it, does not come back', async (t) => {
  const document = await shared('secret');
  const bobs = await open(t, bob, document);
  const closed = bobs.closed();
  await revoke(alice, document, bob.id);
  assert.equal((await closed).code, 4403);
  const again = await Editor.open(bob, document, { sync: false });
  t.after(() => again.close());
  assert.equal((await again.closed()).code, 4403);
  assert.equal(again.content, '');

  const alices = await open(t, alice, document);
  const deleted = alices.closed();
  await deleteDocument(alice, document);
  assert.equal((await deleted).code, 4404);
});
