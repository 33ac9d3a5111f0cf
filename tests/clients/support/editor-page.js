// The examples of docs/EDITORS.md as pages in Chromium. They are bundled as they stand in the guide.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

import { build } from 'esbuild';

import { readDocument } from './documents.js';
import { until } from './patience.js';

const GUIDE = new URL('../../../docs/EDITORS.md', import.meta.url);

/** The addresses at which editors connect. The guide has one `connection.js` for each. */
const ADDRESSES = ['sync', 'collab'];

/** More than the steps of undo of what a test types. Editors divide them by time. */
const UNDO_STEPS = 20;

/** The selectors of each editor: the element to type in, its lines, the remote cursors, and their names. */
export const SELECTORS = {
  codemirror: { input: '.cm-content', cursors: '.cm-ySelectionCaret', names: '.cm-ySelectionInfo' },
  monaco: { input: '.view-lines', names: '.yRemoteSelectionHead' },
  quill: { input: '.ql-editor', names: '.ql-cursor-name' },
  tiptap: { input: '.tiptap', cursors: '.collaboration-carets__caret', names: '.collaboration-carets__label' },
  prosemirror: {
    input: '.ProseMirror',
    cursors: '.ProseMirror-yjs-cursor',
    names: '.ProseMirror-yjs-cursor > div',
  },
  blocknote: {
    input: '.bn-editor',
    lines: '.bn-inline-content',
    cursors: '.bn-collaboration-cursor__base',
    names: '.bn-collaboration-cursor__label',
    click: '.bn-inline-content',
    isBlock: true, // A click below the last block, or Control and End, adds another one.
  },
  lexical: { input: '[data-lexical-editor]', names: '#carets span > span' },
  slate: { input: '[data-slate-editor]', cursors: '.caret', names: '.caret' },
};

/** Returns the examples of the guide by file name. */
export async function readExamples() {
  const guide = await readFile(GUIDE, 'utf8');
  const snippets = guide.matchAll(/<!-- snippet: (\S+) -->\n+```\w+\n(.*?)\n```/gs);
  return new Map([...snippets].map(([, name, code]) => [name, code]));
}

/** The file of a page: the example of an editor, and perhaps that of offline copies. Tests read `window.page`. */
function entry(editor, isOffline) {
  const lines = [
    isOffline ? `import * as offline from '../offline.js';` : 'const offline = undefined;',
    `import '../${editor}';`,
    `import { doc, provider } from '../connection.js';`,
    `import * as Y from 'yjs';`,
    `window.page = { doc, offline, provider, Y };`,
  ];
  return lines.join('\n');
}

/** Bundles the examples. Returns the output files by address. */
async function bundle(editors, isOffline) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'coscribe-editors-'));
  try {
    const examples = await readExamples();
    const entryPoints = {};
    const worker = 'monaco-editor/esm/vs/editor/editor.worker';
    for (const address of ADDRESSES) {
      await mkdir(path.join(folder, address, 'pages'), { recursive: true });
      for (const [name, code] of examples) {
        const [first, second] = name.split('/');
        if (second && first !== address) continue;
        await writeFile(path.join(folder, address, second ?? first), code);
      }
      for (const editor of editors) {
        const file = ['js', 'jsx'].map((end) => `${editor}.${end}`).find((name) => examples.has(name));
        const page = path.join(folder, address, 'pages', `${editor}.js`);
        await writeFile(page, entry(file, isOffline));
        entryPoints[`${address}/${editor}`] = page;
      }
      if (editors.includes('monaco')) entryPoints[`${address}/${worker}`] = `${worker}.js`;
    }
    const { outputFiles } = await build({
      entryPoints,
      bundle: true,
      splitting: true,
      format: 'esm',
      conditions: ['style', 'module'],
      jsx: 'automatic',
      loader: { '.ttf': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl' },
      nodePaths: [fileURLToPath(new URL('../node_modules', import.meta.url))],
      outdir: '/',
      write: false,
    });
    return new Map(outputFiles.map(({ path, text }) => [path, text]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Serves pages with `editors` for one person and document each. If `isOffline`, they keep offline copies. */
export async function servePages({ editors, isOffline = false }) {
  const files = await bundle(editors, isOffline);
  const types = { js: 'text/javascript', css: 'text/css', html: 'text/html' };
  const listener = createServer(({ url }, response) => {
    const file = files.get(url);
    response.writeHead(file ? 200 : 404, { 'content-type': `${types[url.split('.').pop()]}; charset=utf-8` });
    response.end(file);
  });
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return {
    /** Adds a page with `editor` at `address` and the session data `session`. Returns where it is. */
    page(address, editor, session) {
      const name = `/${files.size}.html`;
      const bundled = `/${address}/${editor}`;
      const style = files.has(`${bundled}.css`) ? `<link rel="stylesheet" href="${bundled}.css">` : '';
      files.set(
        name,
        `<!doctype html><meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
        <title>${editor}</title><link rel="icon" href="data:,">${style}
        <style>#editor { height: 12em; margin-top: 2em; border: thin solid }</style>
        <output id="status"></output><div id="editor"></div>
        <script type="application/json" id="session">${JSON.stringify(session)}</script>
        <script type="module" src="${bundled}.js"></script>`,
      );
      return `http://127.0.0.1:${listener.address().port}${name}`;
    },
    close() {
      listener.close();
      listener.closeAllConnections();
    },
  };
}

/** A page of a person that has a document open in an editor. */
export class EditorPage {
  /**
   * Opens `document` in `window`, or else in a new window of `browser` that is closed after the test. The page is one of `site`
   * and connects at `address`.
   */
  static async open(t, { browser, window, site, editor, address = 'sync' }, person, document, { login = person } = {}) {
    const { access } = await readDocument(person, document);
    const { server, id: userId } = person;
    const { token, expiresAt } = login;
    const session = { server: server.url.replace('http', 'ws'), graphql: server.graphql, documentId: document, userId, access };
    const page = new EditorPage();
    page.name = `${person.name}'s ${editor} at /${address}`;
    page.editor = editor;
    page.selectors = SELECTORS[editor];
    const location = site.page(address, editor, { ...session, login: { token, expiresAt } });
    if (window) {
      await window.goto(location);
      page.window = window;
    } else {
      page.window = await browser.open(location);
      t.after(() => page.window.close());
    }
    return page;
  }

  /** Moves the cursor to the `End` or `Home` of the text, or of the first block, and types. */
  async type(text, where = 'End') {
    const { click, input, isBlock } = this.selectors;
    await this.window.click(click ?? input);
    await until(`The cursor of ${this.name} is at the ${where}`, async () => {
      await this.window.press(...(isBlock ? [] : ['Control']), where);
      return this.#isAt(where);
    });
    await this.window.type(text);
  }

  /**
   * Returns whether the cursor is at the `End` or `Home` after what was going on in the page. An editor that shows the cursor of
   * another user while a key moves the own one puts it back.
   */
  async #isAt(where) {
    await this.#frames();
    return this.window.evaluate(({ input, click = input, cursors }, where) => {
      const element = document.querySelector(click);
      if (!element.isContentEditable) return true; // It is read-only, or Monaco, which has a cursor of its own.
      const { focusNode, focusOffset } = getSelection();
      if (!element.contains(focusNode)) return false;
      const between = document.createRange();
      between.selectNodeContents(element);
      if (where === 'Home') between.setEnd(focusNode, focusOffset);
      else between.setStart(focusNode, focusOffset);
      const copy = between.cloneContents();
      for (const cursor of cursors ? copy.querySelectorAll(cursors) : []) cursor.remove();
      return copy.textContent.replace(/[\ufeff\u200b\u2060]/g, '') === '';
    }, this.selectors, where);
  }

  /** Undoes until the editor shows `expected`. Editors divide what was typed by time, so the number of steps is not known. */
  async undoDownTo(expected) {
    await this.window.click(this.selectors.click ?? this.selectors.input);
    let shown;
    const undo = async () => {
      await this.#frames();
      shown = await this.content;
      if (shown === expected) return true;
      await this.window.press('Control', 'z');
      return false;
    };
    await until(`${this.name} undoes down to ${JSON.stringify(expected)}`, undo, undefined, () => `it shows ${JSON.stringify(shown)}`);
  }

  /** Returns after the editor has shown what was going on in the page. */
  #frames() {
    return this.window.evaluate(async () => {
      for (let frames = 0; frames < 3; frames += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    });
  }

  /** Undoes all that the user has typed. */
  async undoAll() {
    await this.window.click(this.selectors.click ?? this.selectors.input);
    for (let step = 0; step < UNDO_STEPS; step += 1) await this.window.press('Control', 'z');
  }

  /** The lines that the editor shows, without remote cursors. */
  get content() {
    return this.window.evaluate(({ input, lines = `${input} > *`, cursors }) => {
      const shown = [...document.querySelectorAll(lines)].map((line) => {
        const copy = line.cloneNode(true);
        for (const cursor of cursors ? copy.querySelectorAll(cursors) : []) cursor.remove();
        return copy.textContent.replaceAll('\u00a0', ' ').replaceAll('\ufeff', '');
      });
      return shown.join('\n');
    }, this.selectors);
  }

  /** Whether the user can type. */
  get isEditable() {
    return this.window.evaluate((input) => {
      const monaco = document.querySelector('.native-edit-context');
      if (monaco) return monaco.ariaAutoComplete !== 'none';
      const element = document.querySelector(input);
      return element.isContentEditable && element.ariaReadOnly !== 'true';
    }, this.selectors.input);
  }

  /** The names at the remote cursors. In Monaco they come from a style sheet. */
  get names() {
    return this.window.evaluate((names) => {
      const shown = (label) => getComputedStyle(label, '::after').content.replace(/^none$|"/g, '');
      const labels = [...document.querySelectorAll(names)];
      return labels.map((label) => label.textContent.trim() || shown(label)).filter(Boolean);
    }, this.selectors.names);
  }

  get status() {
    return this.window.evaluate(() => document.querySelector('#status').textContent);
  }

  /** The Yjs document of the page, as an update in base64. */
  get update() {
    return this.window.evaluate(() => {
      const { doc, Y } = window.page;
      return btoa(String.fromCharCode(...Y.encodeStateAsUpdate(doc)));
    });
  }

  /** Returns the names of the offline copies in the profile of the window. */
  copies() {
    return this.window.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).sort());
  }

  /** Returns how many updates are in the offline copy of the page. */
  countCopied() {
    return this.window.evaluate(async () => {
      const { db } = await window.page.offline.offline.whenSynced;
      const count = db.transaction('updates').objectStore('updates').count();
      return new Promise((resolve, reject) => Object.assign(count, { onsuccess: () => resolve(count.result), onerror: reject }));
    });
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
      () => `the ${property} is ${JSON.stringify(actual)}; logged: ${JSON.stringify(this.window.errors)}`,
    );
  }

  /** Fails if the page logged a warning or an error other than `expected`, or threw an exception. */
  expectNoErrors(expected = /(?!)/) {
    assert.deepEqual(this.window.errors.filter((error) => !expected.test(error)), [], this.name);
  }
}
