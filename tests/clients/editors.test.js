// Editors that others wrote, in a browser, connected as docs/EDITORS.md says: its examples run as they stand there.

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
import { Person } from './support/person.js';
import { Server } from './support/server.js';

const GUIDE = new URL('../../docs/EDITORS.md', import.meta.url);
const SECRET = 'known to the tests, for tokens that live shorter than any the server gives';

/** What a page is told when it may not have the document open any more. */
const FORBIDDEN = 'This document does not exist, or you have no access; ask its owner for access';

/** Where each editor shows its lines, its others' cursors, and whose they are. */
const LOOKS = {
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

/** The examples of the guide, by the names of their files. */
async function examples() {
  const guide = await readFile(GUIDE, 'utf8');
  const found = guide.matchAll(/<!-- snippet: (\S+) -->\n+```\w+\n(.*?)\n```/gs);
  return new Map([...found].map(([, name, code]) => [name, code]));
}

/** What a bundler makes of the examples: texts by their addresses. */
async function bundle() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'coscribe-editors-'));
  try {
    for (const [name, code] of await examples()) await writeFile(path.join(folder, name), code);
    const pages = Object.keys(LOOKS).map((editor) => [editor, path.join(folder, `${editor}.js`)]);
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

/** Serves pages with the examples, each for a person and a document. */
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
    /** The address of a page with `editor`, which knows of `session`. */
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

/** A page of a person, with a document open in an editor. */
class Page {
  static async open(t, editor, person, document, { login = person } = {}) {
    const { access } = await readDocument(person, document);
    const { token, expiresAt } = login;
    const session = { server: server.sync, graphql: server.graphql, documentId: document, access };
    const page = new Page();
    page.name = `${person.name}'s ${editor}`;
    page.look = LOOKS[editor];
    page.window = await browser.open(site.page(editor, { ...session, login: { token, expiresAt } }));
    t.after(() => page.window.close());
    return page;
  }

  /** Puts the cursor at the `End` of the text, or at its `Home`, and types. */
  async type(text, where = 'End') {
    await this.window.click(this.look.lines);
    await this.window.press('Control', where);
    await this.window.type(text);
  }

  /** Takes back what was typed here last, and returns once the editor shows `expected`. */
  async undoes(expected) {
    await this.window.click(this.look.lines);
    const undo = async () => {
      if ((await this.content) === expected) return true;
      await this.window.press('Control', 'z');
      return false;
    };
    await until(`${this.name} undoes down to ${JSON.stringify(expected)}`, undo);
  }

  /** The lines that the editor shows. */
  get content() {
    return this.window.ask(({ lines, cursors }) => {
      const shown = [...(document.querySelector(lines)?.children ?? [])].map((line) => {
        const copy = line.cloneNode(true);
        for (const cursor of cursors ? copy.querySelectorAll(cursors) : []) cursor.remove();
        return copy.textContent.replaceAll('\u00a0', ' ');
      });
      return shown.join('\n');
    }, this.look);
  }

  /** The names at the cursors of others; Monaco's comes from a style sheet. */
  get names() {
    return this.window.ask((names) => {
      const shown = (label) => getComputedStyle(label, '::after').content.replace(/^none$|"/g, '');
      return [...document.querySelectorAll(names)].map((label) => label.textContent.trim() || shown(label));
    }, this.look.names);
  }

  get status() {
    return this.window.ask(() => document.querySelector('#status').textContent);
  }

  /** Returns once the editor shows `expected`. */
  reads(expected) {
    return this.#shows('reads', 'content', expected);
  }

  /** Returns once a cursor of `person` is shown, and nobody else's. */
  sees(person) {
    return this.#shows('sees', 'names', [person.name]);
  }

  /** Returns once the status is `expected`. */
  says(expected) {
    return this.#shows('says', 'status', expected);
  }

  async #shows(verb, what, expected) {
    let shown;
    const is = async () => isDeepStrictEqual((shown = await this[what]), expected);
    await until(`${this.name} ${verb} ${JSON.stringify(expected)}`, is).catch((error) => {
      throw new Error(`${error.message}; it has ${JSON.stringify(shown)}`);
    });
  }

  /** Fails if the page has complained of anything. */
  isFine() {
    assert.deepEqual(this.window.complaints, [], this.name);
  }
}

/** A document of Alice's that Bob may change and Carol may read. */
async function shared(content) {
  const { id } = await createDocument(alice, 'Together', content);
  await grant(alice, id, 'EDIT', bob.email);
  await grant(alice, id, 'VIEW', carol.email);
  return id;
}

/** Returns once GraphQL clients read `expected`. */
async function isStored(document, expected) {
  const content = async () => (await readDocument(alice, document)).content;
  await until(`${JSON.stringify(expected)} is stored`, async () => (await content()) === expected);
}

/** What Tiptap writes, in a Yjs client of a person. */
async function fragment(t, person, document) {
  const editor = await Editor.open(person, document);
  t.after(() => editor.close());
  return editor.doc.getXmlFragment('prosemirror');
}

/** Adds a paragraph, as Tiptap would. */
function append(fragment, text) {
  const paragraph = new Y.XmlElement('paragraph');
  paragraph.insert(0, [new Y.XmlText(text)]);
  fragment.push([paragraph]);
}

/** What a sign-in could have given some time ago: a token that lives for some seconds yet. */
function shortLived(person) {
  const seconds = Math.floor(Date.now() / 1000);
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: person.id, name: person.name, iat: seconds, exp: seconds + 6 };
  const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;
  const signature = createHmac('sha256', SECRET).update(signed).digest('base64url');
  return { token: `${signed}.${signature}`, expiresAt: new Date(claims.exp * 1000).toISOString() };
}

for (const editor of ['codemirror', 'monaco', 'quill']) {
  test(`${editor}: two people and a GraphQL client write, and see each other`, async (t) => {
    const document = await shared('Hello');
    const alices = await Page.open(t, editor, alice, document);
    const bobs = await Page.open(t, editor, bob, document);
    await alices.reads('Hello');

    await alices.type(' there');
    await isStored(document, 'Hello there');
    await alices.says('Saved');
    await bobs.reads('Hello there');
    await bobs.sees(alice);

    await bobs.type('Bob: ', 'Home');
    await isStored(document, 'Bob: Hello there');
    await alices.reads('Bob: Hello there');
    await alices.sees(bob);

    await update(bob, document, { content: 'Bob: Hello there,\nsaid GraphQL' });
    await alices.reads('Bob: Hello there,\nsaid GraphQL');
    await bobs.reads('Bob: Hello there,\nsaid GraphQL');

    await alices.undoes('Bob: Hello,\nsaid GraphQL');
    await isStored(document, 'Bob: Hello,\nsaid GraphQL');
    await bobs.reads('Bob: Hello,\nsaid GraphQL');

    await revoke(alice, document, bob.id);
    await bobs.says(FORBIDDEN);
    await bobs.type('!');
    await bobs.reads('Bob: Hello,\nsaid GraphQL');
    for (const page of [alices, bobs]) page.isFine();
  });

  test(`${editor}: whoever may only read cannot write`, async (t) => {
    const document = await shared('Read me');
    const carols = await Page.open(t, editor, carol, document);
    await carols.reads('Read me');
    await carols.type('!');
    await update(alice, document, { content: 'Read me.' });
    await carols.reads('Read me.');
    carols.isFine();
  });
}

test('tiptap: two people and another Yjs client write, and see each other', async (t) => {
  const document = await shared('Beside it');
  const yjs = await fragment(t, bob, document);
  const alices = await Page.open(t, 'tiptap', alice, document);
  const bobs = await Page.open(t, 'tiptap', bob, document);

  await alices.type('Hello there');
  await until('It reached the Yjs client', () => yjs.toString() === '<paragraph>Hello there</paragraph>');
  await alices.says('Saved');
  await bobs.reads('Hello there');
  await bobs.sees(alice);

  await bobs.type('Bob: ', 'Home');
  await alices.reads('Bob: Hello there');
  await alices.sees(bob);

  append(yjs, 'said Yjs');
  await alices.reads('Bob: Hello there\nsaid Yjs');
  await bobs.reads('Bob: Hello there\nsaid Yjs');

  await alices.undoes('Bob: \nsaid Yjs');
  await bobs.reads('Bob: \nsaid Yjs');
  await isStored(document, 'Beside it');

  await revoke(alice, document, bob.id);
  await bobs.says(FORBIDDEN);
  await bobs.type('!');
  await bobs.reads('Bob: \nsaid Yjs');
  for (const page of [alices, bobs]) page.isFine();
});

test('tiptap: whoever may only read cannot write', async (t) => {
  const document = await shared('');
  const yjs = await fragment(t, alice, document);
  append(yjs, 'Read me');
  const carols = await Page.open(t, 'tiptap', carol, document);
  await carols.reads('Read me');
  await carols.type('!');
  append(yjs, 'please');
  await carols.reads('Read me\nplease');
  carols.isFine();
});

test('a page whose token runs out comes back with a fresh one', async (t) => {
  const document = await shared('Hello');
  const page = await Page.open(t, 'codemirror', alice, document, { login: shortLived(alice) });
  await page.reads('Hello');
  const meters = async () => (await fetch(`${server.url}/metrics`)).text();
  await until('Its token has run out', async () => /_closes_total\{.*"token_expired"\} 1\n/.test(await meters()));
  await page.type(' again');
  await page.says('Saved');
  await isStored(document, 'Hello again');
  page.isFine();
});
