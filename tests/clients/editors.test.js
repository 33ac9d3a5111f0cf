// Third-party editors in Chromium, connected as docs/EDITORS.md describes. The tests run the examples of the guide unchanged.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

import { build } from 'esbuild';
import * as Y from 'yjs';

import { Browser } from './support/browser.js';
import { createDocument, grant, readDocument, revoke, update } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';

const GUIDE = new URL('../../docs/EDITORS.md', import.meta.url);
const SECRET = 'a secret that the tests share with the server, to sign short-lived tokens';

/** The close reason that a page shows after its user has lost access. */
const FORBIDDEN = 'This document does not exist, or you have no access; ask its owner for access';

/** The selectors of each editor: its lines, the remote cursors, and their names. */
const SELECTORS = {
  codemirror: { lines: '.cm-content', cursors: '.cm-ySelectionCaret', names: '.cm-ySelectionInfo' },
  monaco: { lines: '.view-lines', names: '.yRemoteSelectionHead' },
  quill: { lines: '.ql-editor', names: '.ql-cursor-name' },
  tiptap: { lines: '.tiptap', cursors: '.collaboration-carets__caret', names: '.collaboration-carets__label' },
};

let server, alice, bob, carol, browser, site;

before(async () => {
  browser = await Browser.launch();
  site = await serve();
  server = await Server.start({ env: { COSCRIBE__SERVER__ALLOWED_ORIGINS: '*', JWT_SECRET: SECRET } });
  [alice, bob, carol] = await Promise.all(['Alice', 'Bob', 'Carol'].map((name) => Person.register(server, name)));
});
after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
});

/** Returns the examples of the guide by file name. */
async function readExamples() {
  const guide = await readFile(GUIDE, 'utf8');
  const snippets = guide.matchAll(/<!-- snippet: (\S+) -->\n+```\w+\n(.*?)\n```/gs);
  return new Map([...snippets].map(([, name, code]) => [name, code]));
}

/** Bundles the examples. Returns the output files by address. */
async function bundle() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'coscribe-editors-'));
  try {
    for (const [name, code] of await readExamples()) await writeFile(path.join(folder, name), code);
    const pages = Object.keys(SELECTORS).map((editor) => [editor, path.join(folder, `${editor}.js`)]);
    const worker = 'monaco-editor/esm/vs/editor/editor.worker';
    const { outputFiles } = await build({
      entryPoints: { ...Object.fromEntries(pages), [worker]: `${worker}.js` },
      bundle: true,
      format: 'esm',
      loader: { '.ttf': 'dataurl' },
      nodePaths: [fileURLToPath(new URL('node_modules', import.meta.url))],
      outdir: '/',
      write: false,
    });
    return new Map(outputFiles.map(({ path, text }) => [path, text]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Serves the examples as pages, each for one person and document. */
async function serve() {
  const files = await bundle();
  const types = { js: 'text/javascript', css: 'text/css', html: 'text/html' };
  const listener = createServer(({ url }, response) => {
    const file = files.get(url);
    response.writeHead(file ? 200 : 404, { 'content-type': `${types[url.split('.').pop()]}; charset=utf-8` });
    response.end(file);
  });
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return {
    /** Adds a page with `editor` and the session data `session`. Returns its address. */
    page(editor, session) {
      const address = `/${files.size}.html`;
      const style = files.has(`/${editor}.css`) ? `<link rel="stylesheet" href="/${editor}.css">` : '';
      files.set(
        address,
        `<!doctype html><meta charset="utf-8"><title>${editor}</title><link rel="icon" href="data:,">${style}
        <style>#editor { height: 12em; margin-top: 2em; border: thin solid }</style>
        <output id="status"></output><div id="editor"></div>
        <script type="application/json" id="session">${JSON.stringify(session)}</script>
        <script type="module" src="/${editor}.js"></script>`,
      );
      return `http://127.0.0.1:${listener.address().port}${address}`;
    },
    close() {
      listener.close();
      listener.closeAllConnections();
    },
  };
}

/** A page of a person that has a document open in an editor. */
class Page {
  static async open(t, editor, person, document, { login = person } = {}) {
    const { access } = await readDocument(person, document);
    const { token, expiresAt } = login;
    const session = { server: server.sync, graphql: server.graphql, documentId: document, access };
    const page = new Page();
    page.name = `${person.name}'s ${editor}`;
    page.selectors = SELECTORS[editor];
    page.window = await browser.open(site.page(editor, { ...session, login: { token, expiresAt } }));
    t.after(() => page.window.close());
    return page;
  }

  /** Moves the cursor to the `End` or `Home` of the text and types. */
  async type(text, where = 'End') {
    await this.window.click(this.selectors.lines);
    await this.window.press('Control', where);
    await this.window.type(text);
  }

  /** Undoes until the editor shows `expected`. */
  async undoDownTo(expected) {
    await this.window.click(this.selectors.lines);
    const undo = async () => {
      if ((await this.content) === expected) return true;
      await this.window.press('Control', 'z');
      return false;
    };
    await until(`${this.name} undoes down to ${JSON.stringify(expected)}`, undo);
  }

  /** The lines that the editor shows, without remote cursors. */
  get content() {
    return this.window.evaluate(({ lines, cursors }) => {
      const shown = [...(document.querySelector(lines)?.children ?? [])].map((line) => {
        const copy = line.cloneNode(true);
        for (const cursor of cursors ? copy.querySelectorAll(cursors) : []) cursor.remove();
        return copy.textContent.replaceAll('\u00a0', ' ');
      });
      return shown.join('\n');
    }, this.selectors);
  }

  /** The names at the remote cursors. In Monaco they come from a style sheet. */
  get names() {
    return this.window.evaluate((names) => {
      const shown = (label) => getComputedStyle(label, '::after').content.replace(/^none$|"/g, '');
      return [...document.querySelectorAll(names)].map((label) => label.textContent.trim() || shown(label));
    }, this.selectors.names);
  }

  get status() {
    return this.window.evaluate(() => document.querySelector('#status').textContent);
  }

  /** Waits until the editor shows `expected`. */
  expectContent(expected) {
    return this.#expect('content', expected);
  }

  /** Waits until the only remote cursor is the one of `person`. */
  expectCursorOf(person) {
    return this.#expect('names', [person.name]);
  }

  /** Waits until the status is `expected`. */
  expectStatus(expected) {
    return this.#expect('status', expected);
  }

  async #expect(property, expected) {
    let actual;
    const isEqual = async () => isDeepStrictEqual((actual = await this[property]), expected);
    await until(
      `${this.name} has the ${property} ${JSON.stringify(expected)}`,
      isEqual,
      undefined,
      () => `the ${property} is ${JSON.stringify(actual)}`,
    );
  }

  /** Fails if the page logged a warning or an error, or threw an exception. */
  expectNoErrors() {
    assert.deepEqual(this.window.errors, [], this.name);
  }
}

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
  return editor.doc.getXmlFragment('prosemirror');
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
    const alices = await Page.open(t, editor, alice, document);
    const bobs = await Page.open(t, editor, bob, document);
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
    const carols = await Page.open(t, editor, carol, document);
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
  const alices = await Page.open(t, 'tiptap', alice, document);
  const bobs = await Page.open(t, 'tiptap', bob, document);

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
  const alices = await Page.open(t, 'tiptap', alice, document);
  const bobs = await Page.open(t, 'tiptap', bob, document);
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
  const carols = await Page.open(t, 'tiptap', carol, document);
  await carols.expectContent('Read me');
  await carols.type('!');
  append(yjs, 'please');
  await carols.expectContent('Read me\nplease');
  carols.expectNoErrors();
});

test('a page is read-only while its user may only view', async (t) => {
  const document = await shared('Hello');
  const page = await Page.open(t, 'codemirror', bob, document);
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
  const page = await Page.open(t, 'codemirror', alice, document, { login: shortLived(alice) });
  await page.expectContent('Hello');
  const metrics = async () => (await fetch(`${server.url}/metrics`)).text();
  await until('The token has expired', async () => /_closes_total\{.*"token_expired"\} 1\n/.test(await metrics()));
  await page.type(' again');
  await page.expectStatus('Saved');
  await expectStored(document, 'Hello again');
  page.expectNoErrors();
});
