// Rich editors in Chromium whose pages are on two nodes, at /collab on one and at /sync on the other. One node is killed meanwhile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as Y from 'yjs';

import { Browser } from './support/browser.js';
import { Cluster, skip } from './support/cluster.js';
import { createDocument, grant, readDocument } from './support/documents.js';
import { EditorPage, servePages } from './support/editor-page.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { personAt } from './support/plan.js';
import { Stream } from './support/stream.js';
import { Tab } from './support/tab.js';
import { readRoot } from './support/yjs-json.js';

/** The editors, and the root type that each one uses in the examples of the guide. */
const EDITORS = {
  tiptap: ['default', Y.XmlFragment],
  blocknote: ['blocknote', Y.XmlFragment],
  lexical: ['root', Y.XmlText],
  quill: ['content', Y.Text],
};

let cluster, first, second, alice, bob, browser, site;

if (!skip) {
  before(async () => {
    browser = await Browser.launch();
    site = await servePages({ editors: Object.keys(EDITORS) });
    cluster = await Cluster.create();
    const anyOrigin = { COSCRIBE__SERVER__ALLOWED_ORIGINS: '*' };
    [first, second] = [await cluster.start(anyOrigin), await cluster.start(anyOrigin)];
    alice = await Person.register(first, 'Alice');
    bob = personAt(second, await Person.register(first, 'Bob'));
  });
  after(async () => {
    await browser?.close();
    site?.close();
    await Promise.all([first?.stop(), second?.stop()]);
    cluster?.remove();
  });
}

/** Returns the update of the newest version. */
async function stored(document) {
  const query = 'query ($id: ID!) { exportDocument(documentId: $id) { update } }';
  return data(await alice.run(query, { id: document })).exportDocument.update;
}

/** Returns the newest version of a root type as GraphQL shows it, read by this user at their node. */
async function readBody(person, document, root) {
  const { version } = await readDocument(person, document);
  const query = `query ($id: ID!, $version: Int!, $root: String!) {
    documentAt(documentId: $id, version: $version) { body(root: $root) }
  }`;
  return data(await person.run(query, { id: document, version, root })).documentAt.body;
}

for (const [editor, [root, type]] of Object.entries(EDITORS)) {
  test(`${editor}: windows on two nodes agree after a crash of one of them`, { skip }, async (t) => {
    const { id } = await createDocument(alice, 'Together');
    await grant(alice, id, 'EDIT', bob.email);
    const alices = await EditorPage.open(t, { browser, site, editor, address: 'collab' }, alice, id);
    const bobs = await EditorPage.open(t, { browser, site, editor, address: 'sync' }, bob, id);
    await alices.type('Hello');
    await bobs.expectContent('Hello');
    await bobs.type(', world');
    await alices.expectContent('Hello, world');

    await second.end({ kill: true });
    await alices.type('!');
    await alices.expectStatus('Saved');
    await bobs.type('Bob: ', 'Home');
    await second.launch();

    for (const page of [alices, bobs]) {
      await page.expectContent('Bob: Hello, world!');
      await page.expectStatus('Saved');
    }
    const contents = [await alices.update, await bobs.update, await stored(id)].map((update) => {
      const doc = new Y.Doc();
      Y.applyUpdate(doc, Buffer.from(update, 'base64'));
      return readRoot(doc.get(root, type));
    });
    assert.deepEqual(contents[1], contents[0]);
    assert.deepEqual(contents[2], contents[0]);
    for (const reader of [alice, bob]) assert.deepEqual(await readBody(reader, id, root), contents[0]);
    alices.expectNoErrors();
    bobs.expectNoErrors(/WebSocket connection to '\S+' failed/);
  });
}

test('quill: a GraphQL client on another node follows formats and objects', { skip }, async (t) => {
  const { id } = await createDocument(alice, 'Formatted');
  await grant(alice, id, 'EDIT', bob.email);
  const carol = await Person.register(first, 'Carol');
  await grant(alice, id, 'VIEW', carol.email);
  const subscription = `subscription ($id: ID!) {
    documentChanged(documentId: $id, since: 1) {
      kind version delta { retain insert delete embed attributes }
    }
  }`;
  const tab = await Tab.connect(carol);
  t.after(() => tab.close());
  const events = new Stream("Carol's changes");
  tab.client.subscribe({ query: subscription, variables: { id } }, events.sink('documentChanged'));

  const bobs = await EditorPage.open(t, { browser, site, editor: 'quill', address: 'sync' }, bob, id);
  await bobs.type('Bold and plain');
  await bobs.window.press('Home');
  for (let letter = 0; letter < 4; letter += 1) await bobs.window.press('Shift', 'ArrowRight');
  await bobs.window.press('Control', 'b');
  await bobs.expectStatus('Saved');
  // Alice works at the other node, with deltas.
  const { version } = await readDocument(alice, id);
  const edit = `mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!) {
    editDocument(documentId: $id, baseVersion: $base, delta: $delta) { version }
  }`;
  const image = { image: 'data:image/gif;base64,R0lGODlhAQABAAAAACw=' };
  const delta = [{ retain: 5 }, { retain: 3, attributes: { italic: true } }, { embed: image }];
  const last = data(await alice.run(edit, { id, base: version, delta })).editDocument.version;

  const followed = new Y.Doc().getText('content');
  for (let seen = 1; seen < last; ) {
    const event = await events.next();
    assert.equal(event.kind, 'EDITED');
    assert.equal(event.version, seen + 1);
    seen = event.version;
    followed.applyDelta(
      event.delta.map(({ retain, insert, delete: deleted, embed, attributes }) => {
        if (deleted) return { delete: deleted };
        return { ...(retain ? { retain } : { insert: embed ?? insert }), ...(attributes && { attributes }) };
      }),
      { sanitize: false },
    );
  }
  const expected = await readBody(bob, id, 'content');
  assert.deepEqual(expected, [
    { insert: 'Bold', attributes: { bold: true } },
    { insert: ' ' },
    { insert: 'and', attributes: { italic: true } },
    { insert: image },
    { insert: ' plain' },
  ]);
  assert.deepEqual(followed.toDelta(), expected);
  await until("Bob's page shows the image", () => {
    return bobs.window.evaluate(() => document.querySelector('.ql-editor em') && document.querySelector('.ql-editor img') !== null);
  });
});
