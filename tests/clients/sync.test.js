// Yjs editors with the unmodified y-websocket provider, together with other editors and with GraphQL clients.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as Y from 'yjs';

import { createDocument, grant, readDocument, revoke, deleteDocument, tryToMoveCursor } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until, within } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';
import { confirmChangeSubscriptions, Tab } from './support/tab.js';

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Creates a document of Alice to which Bob has the access `level`. */
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

test('editors and GraphQL clients receive the edits of each other', async (t) => {
  const document = await shared('Hello');
  const alices = await open(t, alice, document);
  const bobs = await open(t, bob, document);
  assert.equal(alices.content, 'Hello');
  const tab = await Tab.open(alice, document);
  t.after(() => tab.close());
  await confirmChangeSubscriptions([tab], bob, document);

  bobs.append(', world');
  await alices.expectText('Hello, world');
  const change = await tab.changes.next();
  assert.deepEqual([change.kind, change.content, change.author.name], ['EDITED', 'Hello, world', 'Bob']);

  const edit = `mutation ($id: ID!, $base: Int!) {
    editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: "« " }]) { version }
  }`;
  const edited = data(await tab.run(edit, { id: document, base: change.version }));
  assert.equal(edited.editDocument.version, change.version + 1);
  await alices.expectText('« Hello, world');
  await bobs.expectText('« Hello, world');
  assert.equal((await readDocument(alice, document)).content, '« Hello, world');
});

test('an editor that requests it receives save acknowledgements', async (t) => {
  const document = await shared();
  const editor = await open(t, alice, document, { params: { saved: true } });
  editor.append('kept');
  await until('The save acknowledgement covers the edit', () => editor.saved?.stateVector.get(editor.doc.clientID) === 4);
  assert.equal(editor.saved.version, 2);
  assert.equal((await readDocument(alice, document)).content, 'kept');
});

test('an edit without the EDIT level is denied and the editor stays connected', async (t) => {
  const document = await shared('Read me', 'VIEW');
  const [alices, bobs] = [await open(t, alice, document), await open(t, bob, document)];
  bobs.append('!!');
  await until('The edit of Bob is denied', () => bobs.denials > 0);
  alices.append('.');
  await until('Bob receives the edit of Alice', () => bobs.content.includes('.'));
  assert.equal((await readDocument(alice, document)).content, 'Read me.');
  assert.equal(alices.content, 'Read me.');

  await grant(alice, document, 'EDIT', bob.email);
  bobs.append('?');
  await until('Alice receives both edits of Bob', () => ['!!', '?'].every((text) => alices.content.includes(text)));
  assert.equal(alices.content, bobs.content);
});

test('a reader whose page has a copy of the document is not denied anything', async (t) => {
  const document = await shared('Read me', 'VIEW');
  const alices = await open(t, alice, document);
  const bobs = await open(t, bob, document, { sync: false });
  Y.applyUpdate(bobs.doc, Y.encodeStateAsUpdate(alices.doc), 'offline copy');
  await bobs.synced();
  // A denial would arrive before it.
  alices.append('.');
  await bobs.expectText('Read me.');
  assert.equal(bobs.denials, 0);
});

/** Half of a character of two code units, as `slice` leaves it. */
const HALF = '😀'.slice(0, 1);

for (const [what, work] of [
  ['an embed with half a character', ({ text }) => text.insertEmbed(0, { image: 'x', alt: `cat ${HALF}` })],
  ['a format with half a character', ({ text }) => text.format(0, 2, { link: { title: HALF } })],
  ['an attribute with half a character', ({ doc }) => doc.getXmlFragment('xml').insert(0, [xmlText(HALF)])],
  ['a map value with half a character', ({ doc }) => doc.getMap('map').set(HALF, { [HALF]: HALF })],
  ['a text with half a character', ({ text }) => text.insert(0, HALF)],
  ['a subdocument', ({ doc }) => doc.getMap('map').set('chapter', new Y.Doc())],
  ['awareness with half a character', ({ provider }) => provider.awareness.setLocalStateField('preview', HALF)],
  ['awareness of 300 KB', ({ provider }) => provider.awareness.setLocalStateField('avatar', 'A'.repeat(300_000))],
  ['awareness that is no object', ({ provider }) => provider.awareness.setLocalState([HALF])],
]) {
  test(`${what} does not keep an editor from going on`, async (t) => {
    const document = await shared('Hello');
    const editor = await open(t, alice, document, { params: { saved: true } });
    const reader = await open(t, bob, document);
    work(editor);
    editor.append(' after');
    await until('The later edit is received', () => reader.content.endsWith('Hello after'));
    assert.ok(editor.provider.shouldConnect && editor.provider.wsconnected);
    // What the page keeps is accepted by a later connection as well.
    const again = await open(t, alice, document, { doc: copyOf(editor.doc), params: { saved: true } });
    again.append('!');
    await until('The edit of the copy is received', () => reader.content.endsWith('Hello after!'));
    assert.ok(again.provider.shouldConnect);
  });
}

function xmlText(title) {
  const text = new Y.XmlText('words');
  text.format(0, 5, { comment: { title } });
  return text;
}

function copyOf(doc) {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  return copy;
}

test('a text of 10 MiB is sent in one frame by an editor and by a GraphQL client', async (t) => {
  const line = 'The quick "brown" fox jumps over the lazy dog.\n';
  const text = line.repeat(Math.floor((10 << 20) / line.length));
  const document = await shared();
  const editor = await open(t, alice, document);
  const reader = await open(t, bob, document);
  editor.append(text);
  await until('The text is received', () => reader.content.length === text.length, 120_000);
  editor.text.delete(0, text.length);
  await until('The deletion is received', () => reader.content === '', 120_000);

  const tab = await Tab.open(alice, document);
  t.after(() => tab.close());
  const mutation = 'mutation ($id: ID!, $content: String!) { updateDocument(id: $id, content: $content) { version } }';
  data(await tab.run(mutation, { id: document, content: text }, 120_000));
  await until('The text of the GraphQL client is received', () => reader.content.length === text.length, 120_000);
  data(await tab.run(mutation, { id: document, content: '' }, 120_000));
});

test('awareness and presence list the same sessions', async (t) => {
  const document = await shared('one\ntwo\n');
  const tab = await Tab.open(alice, document);
  t.after(() => tab.close());
  const bobs = await open(t, bob, document);
  const joined = await tab.presence.next();
  assert.deepEqual([joined.kind, joined.presence.user.name], ['JOINED', 'Bob']);

  // Editors receive the awareness of a GraphQL client, with its cursor as a relative position.
  await until('Bob receives the awareness of Alice', () => bobs.peers().some(({ user }) => user.id === alice.id));
  data(await tryToMoveCursor(tab, document, { line: 1, column: 1, anchor: { line: 0, column: 2 } }));
  const state = await until('Bob receives the cursor of Alice', () => bobs.peers().find(({ cursor }) => cursor));
  const indexOf = (json) =>
    Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(json), bobs.doc).index;
  assert.deepEqual([indexOf(state.cursor.head), indexOf(state.cursor.anchor)], [5, 2]);
  assert.deepEqual(state.selection, state.cursor);
  assert.equal(state.user.name, 'Alice');
  assert.match(state.user.color, /^#[0-9a-f]{6}$/);

  // The token, not the awareness state, decides the user. GraphQL clients receive the cursor as line and column.
  const at = (index) => Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(bobs.text, index));
  bobs.provider.awareness.setLocalState({ user: { name: 'Mallory' }, cursor: { anchor: at(4), head: at(6) } });
  const moved = await tab.cursors.next();
  assert.deepEqual(moved.cursor, { line: 1, column: 2, anchor: { line: 1, column: 0 } });
  assert.equal(moved.user.name, 'Bob');
  const alices = await open(t, alice, document);
  const seen = await until('Alice receives the awareness of Bob', () => alices.peers().find(({ user }) => user.id === bob.id));
  assert.deepEqual([seen.user.name, seen.client], ['Bob', bobs.doc.clientID]);

  bobs.provider.awareness.setLocalStateField('cursor', null);
  const query = 'query ($id: ID!) { documentPresence(documentId: $id) { user { id } cursor { line column } } }';
  await until('The presence of Bob has no cursor', async () => {
    const present = data(await alice.run(query, { id: document })).documentPresence;
    return present.some(({ user, cursor }) => user.id === bob.id && cursor === null);
  });

  bobs.close();
  await until('The awareness of Bob is removed', () => alices.peers().every(({ user }) => user.id !== bob.id));
  for (;;) {
    const change = await tab.presence.next();
    if (change.kind === 'LEFT') {
      assert.equal(change.presence.user.name, 'Bob');
      break;
    }
  }
});

test('edits made offline are sent after the reconnect', async (t) => {
  const document = await shared('start');
  const [alices, bobs] = [await open(t, alice, document), await open(t, bob, document)];
  bobs.provider.disconnect();
  bobs.append(' bob');
  alices.insert(0, 'alice ');
  await until('The edit of Alice is stored', async () => (await readDocument(alice, document)).content === 'alice start');
  bobs.provider.connect();
  await alices.expectText('alice start bob');
  await bobs.expectText('alice start bob');
  assert.equal((await readDocument(alice, document)).version, 3);
});

test('an editor beyond the connection limit is told so, and opens when another one has closed', async (t) => {
  const carol = await Person.register(server, 'Carol');
  const { id } = await createDocument(carol, 'Crowded', 'Hello');
  const editors = [];
  for (let number = 0; number < 10; number += 1) editors.push(await open(t, carol, id));
  const eleventh = await open(t, carol, id, { connect: false });
  const told = new Promise((resolve) => eleventh.provider.once('connection-close', resolve));
  eleventh.provider.connect();
  const { code, reason } = await within(told, 'The eleventh editor is told');
  assert.deepEqual([code, reason], [1013, 'You have too many connections open; close some of them']);
  assert.equal(eleventh.content, '');

  editors[0].close();
  await eleventh.synced();
  assert.equal(eleventh.content, 'Hello');
});

test('a user without access cannot reconnect', async (t) => {
  const document = await shared('secret');
  const bobs = await open(t, bob, document);
  const closed = bobs.expectClose();
  await revoke(alice, document, bob.id);
  assert.equal((await closed).code, 4403);
  const reopened = await Editor.open(bob, document, { sync: false });
  t.after(() => reopened.close());
  assert.equal((await reopened.expectClose()).code, 4403);
  assert.equal(reopened.content, '');

  const alices = await open(t, alice, document);
  const deleted = alices.expectClose();
  await deleteDocument(alice, document);
  assert.equal((await deleted).code, 4404);
});
