// Third-party editors in Chromium, connected at /sync as docs/EDITORS.md describes. The tests run the examples unchanged.

import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import * as Y from 'yjs';

import { Browser } from './support/browser.js';
import { createDocument, grant, readDocument, revoke, update } from './support/documents.js';
import { EditorPage, servePages } from './support/editor-page.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';

const SECRET = 'a secret that the tests share with the server, to sign short-lived tokens';

/** The close reason that a page shows after its user has lost access. */
const FORBIDDEN = 'This document does not exist, or you have no access; ask its owner for access';

let server, alice, bob, carol, browser, site;

before(async () => {
  browser = await Browser.launch();
  site = await servePages({ editors: ['codemirror', 'monaco', 'quill', 'tiptap'] });
  server = await Server.start({ env: { COSCRIBE__SERVER__ALLOWED_ORIGINS: '*', JWT_SECRET: SECRET } });
  [alice, bob, carol] = await Promise.all(['Alice', 'Bob', 'Carol'].map((name) => Person.register(server, name)));
});
after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
});

/** Opens a document in an editor at `/sync`. */
const openPage = (t, editor, ...rest) => EditorPage.open(t, { browser, site, editor }, ...rest);

/** Creates a document of Alice that Bob may edit and Carol may view. */
async function shared(content) {
  const { id } = await createDocument(alice, 'Together', content);
  await grant(alice, id, 'EDIT', bob.email);
  await grant(alice, id, 'VIEW', carol.email);
  return id;
}

/** Waits until the stored text is `expected`. */
async function expectStored(document, expected) {
  const content = async () => (await readDocument(alice, document)).content;
  await until(`${JSON.stringify(expected)} is stored`, async () => (await content()) === expected);
}

/** Opens a plain Yjs client and returns the fragment that Tiptap edits. */
async function openFragment(t, person, document) {
  const editor = await Editor.open(person, document);
  t.after(() => editor.close());
  return editor.doc.getXmlFragment('default');
}

/** Appends a paragraph in the format of Tiptap. */
function append(fragment, text) {
  const paragraph = new Y.XmlElement('paragraph');
  paragraph.insert(0, [new Y.XmlText(text)]);
  fragment.push([paragraph]);
}

/** Signs a token that expires in 15 seconds at most, and returns it like the result of `login`. */
function shortLived(person) {
  const seconds = Math.floor(Date.now() / 1000);
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: person.id, name: person.name, iat: seconds, exp: seconds + 15 };
  const unsigned = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;
  const signature = createHmac('sha256', SECRET).update(unsigned).digest('base64url');
  return { token: `${unsigned}.${signature}`, expiresAt: new Date(claims.exp * 1000).toISOString() };
}

for (const editor of ['codemirror', 'monaco', 'quill']) {
  test(`${editor}: two editors and a GraphQL client receive the edits and cursors of each other`, async (t) => {
    const document = await shared('Hello');
    const alices = await openPage(t, editor, alice, document);
    const bobs = await openPage(t, editor, bob, document);
    await alices.expectContent('Hello');

    await alices.type(' there');
    await expectStored(document, 'Hello there');
    await alices.expectStatus('Saved');
    await bobs.expectContent('Hello there');
    await bobs.expectCursorOf(alice);

    await bobs.type('Bob: ', 'Home');
    await expectStored(document, 'Bob: Hello there');
    await alices.expectContent('Bob: Hello there');
    await alices.expectCursorOf(bob);

    await update(bob, document, { content: 'Bob: Hello there,\nfrom GraphQL' });
    await alices.expectContent('Bob: Hello there,\nfrom GraphQL');
    await bobs.expectContent('Bob: Hello there,\nfrom GraphQL');

    await alices.undoDownTo('Bob: Hello,\nfrom GraphQL');
    await expectStored(document, 'Bob: Hello,\nfrom GraphQL');
    await bobs.expectContent('Bob: Hello,\nfrom GraphQL');

    await revoke(alice, document, bob.id);
    await bobs.expectStatus(FORBIDDEN);
    await bobs.type('!');
    await bobs.expectContent('Bob: Hello,\nfrom GraphQL');
    for (const page of [alices, bobs]) page.expectNoErrors();
  });

  test(`${editor}: a viewer cannot edit`, async (t) => {
    const document = await shared('Read me');
    const carols = await openPage(t, editor, carol, document);
    await carols.expectContent('Read me');
    await carols.type('!');
    await update(alice, document, { content: 'Read me.' });
    await carols.expectContent('Read me.');
    carols.expectNoErrors();
  });
}

test('tiptap: two editors and another Yjs client receive the edits of each other', async (t) => {
  const document = await shared('Plain text');
  const yjs = await openFragment(t, bob, document);
  const alices = await openPage(t, 'tiptap', alice, document);
  const bobs = await openPage(t, 'tiptap', bob, document);

  await alices.type('Hello there');
  await until('The Yjs client receives the edit', () => yjs.toString() === '<paragraph>Hello there</paragraph>');
  await alices.expectStatus('Saved');
  await bobs.expectContent('Hello there');
  await bobs.expectCursorOf(alice);

  await bobs.type('Bob: ', 'Home');
  await alices.expectContent('Bob: Hello there');
  await alices.expectCursorOf(bob);

  append(yjs, 'from Yjs');
  await alices.expectContent('Bob: Hello there\nfrom Yjs');
  await bobs.expectContent('Bob: Hello there\nfrom Yjs');

  await alices.undoDownTo('Bob: \nfrom Yjs');
  await bobs.expectContent('Bob: \nfrom Yjs');
  await expectStored(document, 'Plain text');

  await revoke(alice, document, bob.id);
  await bobs.expectStatus(FORBIDDEN);
  await bobs.type('!');
  await bobs.expectContent('Bob: \nfrom Yjs');
  for (const page of [alices, bobs]) page.expectNoErrors();
});

test('tiptap: a restored version is shown with its blocks', async (t) => {
  const document = await shared('');
  const alices = await openPage(t, 'tiptap', alice, document);
  const bobs = await openPage(t, 'tiptap', bob, document);
  await alices.type('Kept');
  await bobs.expectContent('Kept');
  await alices.expectStatus('Saved');
  const { version } = await readDocument(alice, document);

  await bobs.type(' and more');
  await alices.expectContent('Kept and more');
  await bobs.expectStatus('Saved');
  const restore = 'mutation ($id: ID!, $version: Int!) { restoreDocument(documentId: $id, version: $version) { version } }';
  data(await bob.run(restore, { id: document, version }));
  await alices.expectContent('Kept');
  await bobs.expectContent('Kept');
  await alices.type('!');
  await bobs.expectContent('Kept!');
  for (const page of [alices, bobs]) page.expectNoErrors();
});

test('tiptap: a viewer cannot edit', async (t) => {
  const document = await shared('');
  const yjs = await openFragment(t, alice, document);
  append(yjs, 'Read me');
  const carols = await openPage(t, 'tiptap', carol, document);
  await carols.expectContent('Read me');
  await carols.type('!');
  append(yjs, 'please');
  await carols.expectContent('Read me\nplease');
  carols.expectNoErrors();
});

test('a page is read-only while its user may only view', async (t) => {
  const document = await shared('Hello');
  const page = await openPage(t, 'codemirror', bob, document);
  await page.expectContent('Hello');
  const isReadOnly = () =>
    page.window.evaluate(() => document.querySelector('.cm-content').ariaReadOnly === 'true');
  await grant(alice, document, 'VIEW', bob.email);
  await until('The page is read-only', isReadOnly);
  await page.type('!');
  await page.expectContent('Hello');

  await grant(alice, document, 'EDIT', bob.email);
  await until('The page can be edited', async () => !(await isReadOnly()));
  await page.type('?');
  await page.expectStatus('Saved');
  await expectStored(document, 'Hello?');
  page.expectNoErrors();
});

test('a page whose token expires reconnects with a fresh token', async (t) => {
  const document = await shared('Hello');
  const page = await openPage(t, 'codemirror', alice, document, { login: shortLived(alice) });
  await page.expectContent('Hello');
  const metrics = async () => (await fetch(`${server.url}/metrics`)).text();
  await until('The token has expired', async () => /_closes_total\{.*"token_expired"\} 1\n/.test(await metrics()));
  await page.type(' again');
  await page.expectStatus('Saved');
  await expectStored(document, 'Hello again');
  page.expectNoErrors();
});
