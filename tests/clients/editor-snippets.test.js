// Every example of docs/EDITORS.md in Chromium, as it stands there. Each editor runs in two windows of one document, one at
// /collab and one at /sync.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { Browser } from './support/browser.js';
import { createDocument, grant, readDocument, revoke } from './support/documents.js';
import { EditorPage, readExamples, servePages } from './support/editor-page.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';

/** The editors of the guide, and where GraphQL shows their document: in the text `content`, or in a root beside it. */
const ROOTS = {
  tiptap: 'default',
  blocknote: 'blocknote',
  prosemirror: 'prosemirror',
  lexical: 'root',
  slate: 'slate',
  quill: 'content',
  codemirror: 'content',
  monaco: 'content',
};

/** The close reason that a page shows after its user has lost access. */
const FORBIDDEN = 'This document does not exist, or you have no access; ask its owner for access';

/** What Chromium logs for each attempt to connect while the server is down. */
const UNREACHABLE = /WebSocket connection to '\S+' failed/;

let server, alice, bob, browser, site, offlineSite, windows;

before(async () => {
  browser = await Browser.launch();
  windows = await Promise.all(['Alice', 'Bob'].map(() => browser.open('about:blank')));
  site = await servePages({ editors: Object.keys(ROOTS) });
  offlineSite = await servePages({ editors: ['tiptap', 'codemirror'], isOffline: true });
  server = await Server.start({ env: { COSCRIBE__SERVER__ALLOWED_ORIGINS: '*' } });
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(async () => {
  await browser?.close();
  site?.close();
  offlineSite?.close();
  await server?.stop();
});

/** Creates a document of Alice that Bob may edit. */
async function shared() {
  const { id } = await createDocument(alice, 'Together');
  await grant(alice, id, 'EDIT', bob.email);
  return id;
}

/** Returns the document at its newest version, as `documentAt` has it. */
async function readStored(document) {
  const { version } = await readDocument(alice, document);
  const query = `query ($id: ID!, $version: Int!) { documentAt(documentId: $id, version: $version) { content json } }`;
  const { content, json } = data(await alice.run(query, { id: document, version })).documentAt;
  return { content, ...JSON.parse(json) };
}

/** Returns all strings of the text in a JSON value, in order. */
function strings(value) {
  if (typeof value !== 'object' || value === null) return '';
  const own = [value.text, value.insert, value.__text].filter((text) => typeof text === 'string');
  return own.join('') + Object.values(value).map(strings).join('');
}

/** Returns the text of the root of `editor` in the stored document. */
async function storedText(editor, document) {
  const { content, roots } = await readStored(document);
  const root = ROOTS[editor];
  return root === 'content' ? content : strings(roots?.[root]);
}

/** Sends the newest body of a root type back as it is, which makes no version. */
async function expectUnchanged(document, root) {
  const read = 'query ($id: ID!, $root: String) { document(id: $id) { newest { version body(root: $root) } } }';
  const { version, body } = data(await alice.run(read, { id: document, root })).document.newest;
  const replace = `mutation ($id: ID!, $root: String, $body: JSON!, $version: Int!) {
    replaceBody(documentId: $id, root: $root, body: $body, baseVersion: $version) { version }
  }`;
  const replaced = data(await alice.run(replace, { id: document, root, body, version })).replaceBody;
  assert.equal(replaced.version, version, JSON.stringify(body));
}

/** Opens a document in the window of a person. */
function openPage(t, editor, address, person, document) {
  const window = windows[person === alice ? 0 : 1];
  return EditorPage.open(t, { window, site, editor, address }, person, document);
}

test('every code block of the guide is an example that is run, or belongs to the authentication', async () => {
  const guide = await readFile(new URL('../../docs/EDITORS.md', import.meta.url), 'utf8');
  const authentication = guide.slice(guide.indexOf('\n## Authentication\n'), guide.indexOf('\n## Tiptap\n'));
  const blocks = (text) => [...text.matchAll(/^```(?:jsx?|css)$/gm)].length;
  const examples = await readExamples();
  assert.equal(examples.size, blocks(guide) - blocks(authentication));
  const editors = [...examples.keys()].filter((name) => ROOTS[name.replace(/\.jsx?$/, '')]);
  assert.equal(editors.length, Object.keys(ROOTS).length);
});

for (const editor of Object.keys(ROOTS)) {
  test(`${editor}: windows at /collab and at /sync show the edits and carets of each other`, async (t) => {
    const document = await shared();
    const alices = await openPage(t, editor, 'collab', alice, document);
    await alices.expectStatus('Saved');
    const bobs = await openPage(t, editor, 'sync', bob, document);
    await until('Bob can edit', () => bobs.isEditable);

    await bobs.type('Hello');
    await alices.expectContent('Hello');
    await bobs.expectStatus('Saved');
    assert.equal(await storedText(editor, document), 'Hello');
    await alices.expectCursorOf(bob);

    await alices.type('Alice: ', 'Home');
    await bobs.expectContent('Alice: Hello');
    await alices.expectStatus('Saved');
    assert.equal(await storedText(editor, document), 'Alice: Hello');
    await bobs.expectCursorOf(alice);
    await expectUnchanged(document, ROOTS[editor]);

    // Undo reverts only what the user has typed, however often they undo. A version can be restored, whatever the editor.
    const { version } = await readDocument(alice, document);
    await alices.undoAll();
    await alices.expectContent('Hello');
    await bobs.expectContent('Hello');
    await alices.expectStatus('Saved');
    assert.equal(await storedText(editor, document), 'Hello');
    const restore = 'mutation ($id: ID!, $version: Int!) { restoreDocument(documentId: $id, version: $version) { version } }';
    data(await alice.run(restore, { id: document, version }));
    await alices.expectContent('Alice: Hello');
    await bobs.expectContent('Alice: Hello');
    assert.equal(await storedText(editor, document), 'Alice: Hello');
    await bobs.type('!');
    await alices.expectContent('Alice: Hello!');

    // The editor is read-only when its user may only view, and after the access has ended.
    await grant(alice, document, 'VIEW', bob.email);
    await until('Bob cannot edit', async () => !(await bobs.isEditable));
    await grant(alice, document, 'EDIT', bob.email);
    await until('Bob can edit', () => bobs.isEditable);
    await revoke(alice, document, bob.id);
    await bobs.expectStatus(FORBIDDEN);
    await until('Bob cannot edit', async () => !(await bobs.isEditable));
    for (const page of [alices, bobs]) page.expectNoErrors();
  });
}

// BlockNote and Lexical remove the line with what others wrote in it.
for (const editor of ['tiptap', 'prosemirror', 'slate', 'quill', 'codemirror']) {
  test(`${editor}: undo of a line leaves what others wrote in it`, async (t) => {
    const document = await shared();
    const alices = await openPage(t, editor, 'collab', alice, document);
    await until('Alice can edit', () => alices.isEditable);
    const bobs = await openPage(t, editor, 'sync', bob, document);
    await until('Bob can edit', () => bobs.isEditable);

    await alices.type('First');
    await bobs.expectContent('First');
    await alices.window.press('Enter');
    await bobs.expectContent('First\n');
    await bobs.type('Second');
    await alices.expectContent('First\nSecond');
    await alices.undoAll();
    for (const page of [alices, bobs]) {
      await until(`${page.name} has only what Bob wrote`, async () => (await page.content).trim() === 'Second');
    }
    await alices.expectStatus('Saved');
    assert.equal((await storedText(editor, document)).trim(), 'Second');
    for (const page of [alices, bobs]) page.expectNoErrors();
  });
}

for (const [editor, address] of [
  ['tiptap', 'collab'],
  ['codemirror', 'sync'],
]) {
  test(`${editor} at /${address}: an offline edit survives a reload and arrives when the server is back`, async (t) => {
    const document = await shared();
    const bobs = await EditorPage.open(t, { browser, site: offlineSite, editor, address }, bob, document);
    await until('Bob can edit', () => bobs.isEditable);
    await bobs.type('Online. ');
    await bobs.expectStatus('Saved');

    await server.end({ kill: true });
    const kept = await bobs.countCopied();
    await bobs.type('Offline.');
    // The copy has one entry for each character.
    await until('The copy has the edit', async () => (await bobs.countCopied()) >= kept + 'Offline.'.length);
    await bobs.window.reload();
    await bobs.expectContent('Online. Offline.');

    await server.launch();
    await bobs.expectStatus('Saved');
    assert.equal(await storedText(editor, document), 'Online. Offline.');
    const alices = await openPage(t, editor, address, alice, document);
    await alices.expectContent('Online. Offline.');

    // Only the end of the access ends the copy.
    await grant(alice, document, 'VIEW', bob.email);
    await until('Bob cannot edit', async () => !(await bobs.isEditable));
    await grant(alice, document, 'EDIT', bob.email);
    await until('Bob can edit', () => bobs.isEditable);
    assert.deepEqual(await bobs.copies(), [`${bob.id} ${document}`]);
    await revoke(alice, document, bob.id);
    await until('The copy is deleted', async () => (await bobs.copies()).length === 0);
    bobs.expectNoErrors(UNREACHABLE);
    alices.expectNoErrors();
  });
}

test('a user who signs out leaves no copies, and keeps those of others', async (t) => {
  const bobs = await EditorPage.open(t, { browser, site: offlineSite, editor: 'codemirror' }, bob, await shared());
  const open = (name) =>
    bobs.window.evaluate(
      (name) =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open(name);
          request.onsuccess = () => resolve(request.result.close());
          request.onerror = reject;
        }),
      name,
    );
  await open(`${bob.id} another document`);
  await open(`${alice.id} a document`);
  await until('There are three copies', async () => (await bobs.copies()).length === 3);
  await bobs.window.evaluate(() => window.page.offline.deleteCopies());
  await until('One copy is left', async () => (await bobs.copies()).length === 1);
  assert.deepEqual(await bobs.copies(), [`${alice.id} a document`]);
  bobs.expectNoErrors();
});
