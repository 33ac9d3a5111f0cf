// Rich editors in Chromium whose pages are on two nodes, at /collab on one and at /sync on the other. One node is killed meanwhile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as Y from 'yjs';

import { Browser } from './support/browser.js';
import { Cluster, skip } from './support/cluster.js';
import { createDocument, grant } from './support/documents.js';
import { EditorPage, servePages } from './support/editor-page.js';
import { data, Person } from './support/person.js';
import { personAt } from './support/plan.js';

/** The editors, and how the root type is read that each one uses in the examples of the guide. */
const EDITORS = {
  tiptap: (doc) => doc.getXmlFragment('prosemirror').toString(),
  quill: (doc) => doc.getText('content').toDelta(),
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

for (const [editor, read] of Object.entries(EDITORS)) {
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
      return read(doc);
    });
    assert.deepEqual(contents[1], contents[0]);
    assert.deepEqual(contents[2], contents[0]);
    alices.expectNoErrors();
    bobs.expectNoErrors(/WebSocket connection to '\S+' failed/);
  });
}
