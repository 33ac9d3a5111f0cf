// The demo page in Chromium: with `--demo`, two users side by side in one document, and otherwise a sign-in with one editor.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import * as Y from 'yjs';

import { Browser } from './support/browser.js';
import { createDocument, grant, readDocument } from './support/documents.js';
import { Page } from './support/page.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { PrefixProxy } from './support/prefix-proxy.js';
import { Server } from './support/server.js';

const execute = promisify(execFile);

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let server, browser, demo, alice, bob;

before(async () => {
  server = await Server.start({ args: ['--demo'] });
  demo = await (await fetch(`${server.url}/demo.json`)).json();
  [alice, bob] = await Promise.all(demo.users.map(signIn));
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signIn({ email, password }) {
  const mutation = `mutation ($email: String!, $password: String!) {
    login(email: $email, password: $password) { token expiresAt account { id name email } }
  }`;
  const stranger = new Person(server, { name: 'stranger' });
  const { login } = data(await stranger.run(mutation, { email, password }));
  return new Person(server, { ...login.account, token: login.token, expiresAt: login.expiresAt });
}

/** Creates a document of Alice that Bob may edit. */
async function shared(title) {
  const { id } = await createDocument(alice, title);
  await grant(alice, id, 'EDIT', bob.email);
  return id;
}

/** One side of the page. */
class Side {
  constructor(window, name) {
    this.window = window;
    this.name = name;
    this.selector = `.side[aria-label="${name}"]`;
  }

  /** Opens the page of a document in a window of its own. Returns both sides of it. */
  static async openBoth(t, document) {
    const window = await openWindow(t, `${server.url}/?document=${document}`);
    return Promise.all(demo.users.map(({ name }) => new Side(window, name).opened()));
  }

  /** Opens the side of one user alone. */
  static async openAlone(t, document, name, options) {
    return (await Side.show(t, document, name, options)).opened();
  }

  /** Opens the page of one user alone, which may not get the document. */
  static async show(t, document, name, options) {
    const window = await openWindow(t, `${server.url}/?side=${name.toLowerCase()}&document=${document}`, options);
    return new Side(window, name);
  }

  async opened() {
    await this.expect('status', /^(Up to date|Saved) · version \d+$/);
    return this;
  }

  /** Moves the cursor to the `End` or `Home` of the document and types. */
  async type(text, where = 'End') {
    const lines = `${this.selector} .ProseMirror`;
    const hasFocus = (lines) => document.querySelector(lines)?.editor.view.hasFocus();
    // Two clicks at the same place would be a double click.
    if (!(await this.window.evaluate(hasFocus, lines))) await this.window.click(lines);
    // The editor learns of a new cursor a moment later, and puts the old one back when it gets the focus.
    await until(`The cursor of ${this.name} is at the ${where}`, async () => {
      await this.window.press('Control', where);
      return this.window.evaluate(
        (lines, where) => {
          const { state, view } = document.querySelector(lines).editor;
          const { head } = state.selection;
          const atWhere = where === 'Home' ? state.doc.textBetween(0, head) : state.doc.textBetween(head, state.doc.content.size);
          return view.hasFocus() && atWhere === '';
        },
        lines,
        where,
      );
    });
    await this.window.type(text);
  }

  click(name) {
    return this.window.evaluate(
      (selector, name) => {
        const buttons = [...document.querySelectorAll(`${selector} button`)];
        buttons.find((button) => (button.ariaLabel ?? button.textContent).startsWith(name)).click();
      },
      this.selector,
      name,
    );
  }

  /** The lines that the editor shows, without the carets of others. */
  get content() {
    return this.window.evaluate((selector) => {
      const copy = document.querySelector(`${selector} .ProseMirror`).cloneNode(true);
      for (const caret of copy.querySelectorAll('.caret, .ProseMirror-widget, img, br')) caret.remove();
      return [...copy.children].map((line) => line.textContent.replace(/[\u2060\ufeff]/g, '')).join('\n');
    }, this.selector);
  }

  get status() {
    return this.#text('.status');
  }

  get access() {
    return this.#text('.access');
  }

  get people() {
    return this.#texts('.person > :last-child');
  }

  get carets() {
    return this.#texts('.ProseMirror .caret-name');
  }

  /** Where the document has its content, if the page does not show it. */
  get note() {
    return this.#text('.note');
  }

  /** How the text is named and shown. */
  get textbox() {
    return this.window.evaluate((selector) => {
      const { ariaLabel, ariaMultiLine, ariaReadOnly, classList, role } = document.querySelector(`${selector} .ProseMirror`);
      return { ariaLabel, ariaMultiLine, ariaReadOnly, isProse: classList.contains('prose'), role };
    }, this.selector);
  }

  get past() {
    return this.#text('.version');
  }

  get hasHistory() {
    return this.window.evaluate((selector) => document.querySelector(`${selector} .history`).checkVisibility(), this.selector);
  }

  get authors() {
    return this.#texts('.entries strong');
  }

  get isEditable() {
    return this.window.evaluate(
      (selector) => document.querySelector(`${selector} .ProseMirror`).isContentEditable,
      this.selector,
    );
  }

  /** Records the status line from now on. */
  recordStatus() {
    return this.window.evaluate((selector) => {
      const line = document.querySelector(`${selector} .status`);
      globalThis.statuses = [];
      const record = () => statuses.at(-1) !== line.textContent && statuses.push(line.textContent);
      new MutationObserver(record).observe(line, { childList: true, characterData: true, subtree: true });
    }, this.selector);
  }

  /** Waits until `property` is `expected`, or matches it if it is a pattern. Returns it. */
  async expect(property, expected) {
    let actual;
    const matches = () =>
      expected instanceof RegExp ? expected.test(actual) : JSON.stringify(actual) === JSON.stringify(expected);
    await until(
      `The ${property} of ${this.name} is ${expected instanceof RegExp ? expected : JSON.stringify(expected)}`,
      async () => {
        actual = await this[property].catch(() => undefined); // The page is not there yet.
        return actual !== undefined && matches();
      },
      undefined,
      () => `it is ${JSON.stringify(actual)}`,
    );
    return actual;
  }

  async #text(selector) {
    return (await this.#texts(selector))[0];
  }

  #texts(selector) {
    return this.window.evaluate(
      (selector) => [...document.querySelectorAll(selector)].map(({ textContent }) => textContent),
      `${this.selector} ${selector}`,
    );
  }
}

/** Returns the text of a user's copy of the document in the browser. */
async function storedIn(window, { id }, document) {
  const updates = await window.evaluate(async (name) => {
    const result = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const database = await result(indexedDB.open(name));
    const records = await result(database.transaction('updates').objectStore('updates').getAll());
    database.close();
    return records.map((record) => [...record]);
  }, `coscribe/${id}/${document}`);
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, Uint8Array.from(update));
  return doc.getXmlFragment('default').toString().replace(/<[^>]*>/g, '');
}

/** Returns a document with letters that are a struct each, so that a server with low limits does not open it. */
function heavyUpdate() {
  const doc = new Y.Doc();
  const [paragraph, text] = [new Y.XmlElement('paragraph'), new Y.XmlText()];
  doc.getXmlFragment('default').insert(0, [paragraph]);
  paragraph.insert(0, [text]);
  for (let letter = 0; letter < 300; letter += 1) text.insert(0, 'x');
  return Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64');
}

/** Creates a document of Alice from a Yjs update, as an import does. */
async function createFromUpdate(title, update) {
  const mutation = 'mutation ($title: String!, $update: Bytes!) { createDocument(title: $title, update: $update) { id } }';
  return data(await alice.run(mutation, { title, update })).createDocument.id;
}

async function openWindow(t, address, options) {
  const window = await browser.open(address, options);
  t.after(() => window.close());
  return window;
}

/** Returns the shown buttons that are narrower or lower than 32 pixels, or not wholly in the window. Runs in the page. */
function findCutButtons() {
  const isCut = (button) => {
    const { left, right, width, height } = button.getBoundingClientRect();
    return Math.min(width, height) < 32 || left < 0 || right > innerWidth;
  };
  const buttons = [...document.querySelectorAll('button')].filter((button) => button.checkVisibility() && isCut(button));
  return buttons.map((button) => button.ariaLabel ?? button.textContent);
}

/** Returns what axe-core finds in the page. */
async function findBarriers(window) {
  await window.evaluate(AXE);
  const { violations } = await window.evaluate(() => globalThis.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

test('both users see each other and what the other types', async (t) => {
  const document = await shared('Together');
  const [alices, bobs] = await Side.openBoth(t, document);
  await alices.expect('people', ['Alice (you)', 'Bob']);
  await bobs.expect('people', ['Bob (you)', 'Alice']);

  await alices.type('Hello');
  await bobs.expect('content', 'Hello');
  await bobs.expect('carets', ['Alice']);
  await bobs.type(', Alice');
  await alices.expect('content', 'Hello, Alice');
  await alices.expect('carets', ['Bob']);
  assert.deepEqual(alices.window.errors, []);
});

test('the status line goes from saving to the version that is stored', async (t) => {
  const document = await shared('Saved');
  const [alices] = await Side.openBoth(t, document);
  await alices.recordStatus();

  await alices.type('Kept');
  await until('Everything is saved', async () => {
    const { version } = await readDocument(alice, document);
    return version > 1 && (await alices.status) === `Saved · version ${version}`;
  });
  const statuses = await alices.window.evaluate(() => globalThis.statuses);
  assert.equal(statuses[0], 'Saving…');
  assert.match(statuses.at(-1), /^Saved · version \d+$/);
});

test('both users agree after one has worked offline', async (t) => {
  const document = await shared('Away');
  const alices = await Side.openAlone(t, document, 'Alice');
  const bobs = await Side.openAlone(t, document, 'Bob');
  await alices.type('Middle');
  await bobs.expect('content', 'Middle');

  await bobs.window.setOffline(true);
  await bobs.expect('status', 'Offline, changes kept here');
  await alices.expect('people', ['Alice (you)']);
  await bobs.type(' end');
  await alices.type('Begin ', 'Home');
  await alices.expect('status', /^Saved/);
  assert.equal(await bobs.content, 'Middle end');

  await bobs.window.setOffline(false);
  await bobs.expect('content', 'Begin Middle end');
  await alices.expect('content', 'Begin Middle end');
  await bobs.expect('status', /^Saved · version \d+$/);
});

test('one side can work offline on its own, and what it types survives a reload', async (t) => {
  const document = await shared('On the train');
  const [alices, bobs] = await Side.openBoth(t, document);
  await alices.type('Shared');
  await bobs.expect('content', 'Shared');

  await bobs.click('Work offline');
  await bobs.expect('status', 'Offline, changes kept here');
  await bobs.type(' and kept');
  assert.equal(await alices.content, 'Shared');
  await until('The browser has stored what Bob typed', async () => {
    return (await storedIn(bobs.window, bob, document)) === 'Shared and kept';
  });
  await bobs.window.open();

  await bobs.expect('content', 'Shared and kept');
  await alices.expect('content', 'Shared and kept');
});

test('a user whose access is lowered can read only, and is told so', async (t) => {
  const document = await shared('Lowered');
  const [alices, bobs] = await Side.openBoth(t, document);
  await bobs.type('Before');
  await alices.expect('content', 'Before');
  await bobs.expect('status', /^Saved/);

  await grant(alice, document, 'VIEW', bob.email);
  await bobs.expect('access', 'Your access changed: you can read only.');
  await bobs.expect('isEditable', false);
  await alices.type(' and after');
  await bobs.expect('content', 'Before and after');

  await grant(alice, document, 'EDIT', bob.email);
  await bobs.expect('access', 'Your access changed: you can edit now.');
  await bobs.type('!');
  await alices.expect('content', 'Before and after!');
});

test('the text is named and styled also for a user who may only read', async (t) => {
  const { id: document } = await createDocument(alice, 'To read');
  await grant(alice, document, 'VIEW', bob.email);
  const bobs = await Side.openAlone(t, document, 'Bob');
  await bobs.expect('access', 'You can read only.');
  const textbox = { ariaLabel: 'Document, as Bob', ariaMultiLine: 'true', ariaReadOnly: 'true', isProse: true, role: 'textbox' };
  assert.deepEqual(await bobs.textbox, textbox);
  assert.equal(await bobs.isEditable, false);
  assert.deepEqual(await findBarriers(bobs.window), []);

  await grant(alice, document, 'EDIT', bob.email);
  await bobs.expect('isEditable', true);
  assert.deepEqual(await bobs.textbox, { ...textbox, ariaReadOnly: 'false' });
});

test('a user who loses access is told so', async (t) => {
  const document = await shared('Revoked');
  const [alices, bobs] = await Side.openBoth(t, document);
  await bobs.type('Mine');
  await alices.expect('content', 'Mine');

  const mutation = 'mutation ($document: ID!, $user: ID!) { revokeAccess(documentId: $document, userId: $user) }';
  data(await alice.run(mutation, { document, user: bob.id }));
  await bobs.expect('status', /^Your access changed: /);
  await bobs.expect('isEditable', false);
  assert.equal(await bobs.content, 'Mine');
});

test('a limit that passes does not end the page', async (t) => {
  const document = await shared('Limited');
  const pages = Array.from({ length: 10 }, () => new Page(alice));
  t.after(() => pages.forEach((page) => page.close()));
  await Promise.all(pages.map((page) => page.open(document)));
  const alices = await Side.show(t, document, 'Alice');
  await alices.expect('status', /^Reconnecting: You have too many connections open/);
  assert.equal(await alices.isEditable, false);

  pages.pop().close();
  await alices.opened();
  await alices.type('Typed');
  await alices.expect('status', /^Saved/);
});

test('a user without access is told so, and has it after a reload', async (t) => {
  const { id } = await createDocument(alice, 'Closed to Bob');
  const bobs = await Side.show(t, id, 'Bob');
  await bobs.expect('status', /^Not opened: .*ask its owner for access/);
  assert.equal(await bobs.isEditable, false);
  await grant(alice, id, 'EDIT', bob.email);
  await bobs.click('Reload');
  await bobs.opened();
});

test('a browser that stores nothing can edit, and tells that nothing is kept', async (t) => {
  const document = await shared('Nothing is kept');
  const before = () => {
    const blocked = () => {
      throw new DOMException('The user has blocked it', 'SecurityError');
    };
    indexedDB.open = blocked;
    indexedDB.databases = async () => blocked();
  };
  const alices = await Side.openAlone(t, document, 'Alice', { before });
  await alices.type('Typed');
  await alices.expect('status', /^Saved/);
  await alices.click('Work offline');
  await alices.expect('status', 'Offline, changes kept here until you close this page');
  await alices.type(', and more');
  await alices.click('Work offline');
  await alices.expect('status', /^Saved/);
  assert.equal((await readDocument(alice, document)).content, 'Typed, and more');
});

test('nothing is lost when the server is killed', async (t) => {
  const document = await shared('Killed');
  const [alices, bobs] = await Side.openBoth(t, document);
  await alices.type('Stored');
  await alices.expect('status', /^Saved/);

  await server.end({ kill: true });
  await alices.expect('status', 'Reconnecting…');
  await alices.type(', kept here');
  await bobs.type('Bob: ', 'Home');
  await server.launch();

  await alices.expect('content', 'Bob: Stored, kept here');
  await bobs.expect('content', 'Bob: Stored, kept here');
  await alices.expect('status', /^Saved · version \d+$/);
  const later = await Side.openAlone(t, document, 'Alice');
  await later.expect('content', 'Bob: Stored, kept here');
});

test('after failed attempts to connect the page waits, unless its network comes back', async (t) => {
  const document = await shared('Unreachable');
  const before = () => {
    globalThis.attempts = [];
    globalThis.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        attempts.push(performance.now());
      }
    };
  };
  const alices = await Side.openAlone(t, document, 'Alice', { before });
  const attempts = () => alices.window.evaluate(() => globalThis.attempts);
  assert.equal((await attempts()).length, 1);

  await server.end({ kill: true });
  await until('The page has tried five times', async () => (await attempts()).length >= 5);
  const pauses = (await attempts()).slice(1, 5).map((at, index, all) => at - all[index - 1]).slice(1);
  assert.ok(pauses.every((pause) => pause >= 990), `The pauses are ${pauses}`);

  const comeBack = () =>
    alices.window.evaluate(async () => {
      const before = attempts.length;
      dispatchEvent(new Event('online'));
      await new Promise((resolve) => setTimeout(resolve)); // The next turn of the event loop.
      return attempts.length - before;
    });
  assert.equal(await comeBack(), 1);
  await server.launch();
  await comeBack();
  await alices.opened();
});

test('a copy that the server cannot open now is kept', async (t) => {
  const document = await createFromUpdate('Too heavy', heavyUpdate());
  const alices = await Side.openAlone(t, document, 'Alice');
  await alices.click('Work offline');
  await alices.type('Kept');
  const copied = async () => (await storedIn(alices.window, alice, document)).endsWith('Kept');
  await until('The browser has stored what Alice typed', copied);

  await server.end();
  const port = new URL(server.url).port;
  const limits = { COSCRIBE__LIMITS__DOCUMENT_STRUCTS: '100' };
  const limited = await Server.start({ args: ['--demo'], dataDir: server.dataDir, port, env: limits });
  try {
    await alices.click('Work offline');
    await alices.expect('status', /^Closed, changes kept here: .*too heavy/);
    await alices.expect('isEditable', false);
    await alices.click('Reload');
    await alices.expect('status', /too heavy/);
    assert.ok(await copied());
  } finally {
    await limited.stop();
    await server.launch();
  }

  await alices.click('Reload');
  await alices.opened();
  await until('The server has what Alice typed', async () => (await readDocument(alice, document)).content.endsWith('Kept'));
});

test('a copy from before a compaction is discarded', async (t) => {
  const document = await shared('Compacted');
  const alices = await Side.openAlone(t, document, 'Alice');
  await alices.type('Kept');
  await alices.expect('status', /^Saved/);

  await server.end();
  await execute(process.env.COSCRIBE_BIN, ['compact', document, '--data-dir', server.dataDir]);
  await server.launch();
  await alices.expect('status', /^Closed: .*recreated/);
  await alices.expect('isEditable', false);
  await alices.click('Discard this copy');
  await alices.opened();
  await alices.expect('content', 'Kept');
  await alices.type('!');
  await alices.expect('status', /^Saved/);
  assert.equal((await readDocument(alice, document)).content, 'Kept!');
});

test('a version is shown and restored from the history', async (t) => {
  const document = await shared('History');
  const [alices, bobs] = await Side.openBoth(t, document);
  await alices.type('First');
  await bobs.expect('content', 'First');
  await alices.expect('status', /^Saved/);
  await bobs.type(' and second');
  await alices.expect('content', 'First and second');
  await bobs.expect('status', /^Saved/);

  await alices.click('History');
  await alices.expect('authors', ['Bob', 'Alice']);
  await alices.expect('past', 'First and second');
  // The newest version is followed, and an older one stays.
  await bobs.type(', and third');
  await alices.expect('past', 'First and second, and third');
  await alices.click('Alice');
  await alices.expect('past', 'First');
  await alices.click('Restore this version');

  await alices.expect('content', 'First');
  // The panel gives the focus back when it closes.
  await alices.expect('hasHistory', false);
  await bobs.expect('content', 'First');
  await bobs.type('!');
  await alices.expect('content', 'First!');
});

test('both sides show the newest version, also after a restoration', async (t) => {
  const document = await shared('Versions');
  const [alices, bobs] = await Side.openBoth(t, document);
  const expectNewest = async () => {
    const { version } = await readDocument(alice, document);
    for (const side of [alices, bobs]) await side.expect('status', `Saved · version ${version}`);
    return version;
  };
  await alices.type('First');
  await bobs.expect('content', 'First');
  await alices.expect('status', /^Saved/);
  const first = await expectNewest();
  await bobs.type(' and second');
  await alices.expect('content', 'First and second');
  await bobs.expect('status', /^Saved/);
  await expectNewest();

  const restore = 'mutation ($id: ID!, $version: Int!) { restoreDocument(documentId: $id, version: $version) { version } }';
  data(await alice.run(restore, { id: document, version: first }));
  await alices.expect('content', 'First');
  await expectNewest();
});

test('a document with its content in another root type is shown as such, and cannot be typed into', async (t) => {
  const doc = new Y.Doc();
  doc.getXmlFragment('blocknote').insert(0, [new Y.XmlElement('paragraph')]);
  doc.getArray('notes').push(['A note']);
  const imported = await createFromUpdate('Imported', Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'));
  const mutation = 'mutation { createDocument(title: "Chosen", root: "chosen") { id } }';
  const chosen = data(await alice.run(mutation)).createDocument.id;
  const plain = (await createDocument(alice, 'Plain', 'Text')).id;
  for (const [document, root] of Object.entries({ [imported]: 'blocknote', [plain]: 'content', [chosen]: 'chosen' })) {
    const words = `This document has its content in \`${root}\`, which this page does not show.`;
    const alices = await Side.openAlone(t, document, 'Alice');
    await alices.expect('note', words);
    assert.equal(await alices.isEditable, false);
    await alices.click('History');
    await alices.expect('past', words);
    assert.deepEqual(await findBarriers(alices.window), []);
  }

  // Other root types beside the content do not count.
  doc.getXmlFragment('blocknote').delete(0, 1);
  doc.getXmlFragment('default').insert(0, [new Y.XmlElement('paragraph')]);
  const beside = await createFromUpdate('Beside notes', Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'));
  const alices = await Side.openAlone(t, beside, 'Alice');
  await alices.type('Typed');
  await alices.expect('status', /^Saved/);
  assert.equal(await alices.note, '');
});

test('the page can be used with the keyboard alone', async (t) => {
  const document = await shared('Keys');
  const alices = await Side.openAlone(t, document, 'Alice');
  const focused = () =>
    alices.window.evaluate(() => document.activeElement.ariaLabel ?? document.activeElement.textContent);
  const tabTo = (name) =>
    until(`The focus is on ${name}`, async () => {
      await alices.window.press('Tab');
      return (await focused()) === name;
    });

  await tabTo('Bold');
  await alices.window.press('ArrowRight');
  assert.equal(await focused(), 'Italic');
  await tabTo('Document, as Alice');
  await alices.window.type('Typed');
  await alices.expect('content', 'Typed');
  await alices.expect('status', /^Saved/);

  await alices.window.press('Shift', 'Tab');
  assert.equal(await focused(), 'History');
  await alices.window.press('Enter');
  await alices.expect('past', 'Typed');
  await alices.window.press('Escape');
  assert.equal(await focused(), 'History');

  // In a list, the Tab key moves the item, so Escape leads out of it.
  await tabTo('Italic');
  await until('The focus is on the bulleted list', async () => {
    await alices.window.press('ArrowRight');
    return (await focused()) === 'Bulleted list';
  });
  await alices.window.press('Enter');
  await until('The focus is in the text', async () => (await focused()) === 'Document, as Alice');
  await alices.window.press('Escape');
  assert.equal(await focused(), 'Bulleted list');
});

test('the links of the split view open each side alone', async (t) => {
  const document = await shared('Alone');
  const [alices] = await Side.openBoth(t, document);
  await alices.type('Together');
  for (const { name } of demo.users) {
    const link = (name) => document.querySelector(`a[aria-label="Open alone, as ${name}"]`).href;
    const window = await openWindow(t, await alices.window.evaluate(link, name));
    const side = await new Side(window, name).opened();
    await side.expect('content', 'Together');
    assert.equal(await window.evaluate(() => document.querySelectorAll('.side').length), 1);
  }
});

test('the page has less than 250 KB when it is compressed', async () => {
  const html = await (await fetch(server.url)).text();
  const files = [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, path]) => new URL(path, server.url));
  assert.ok(files.length >= 2, html);
  const bodies = await Promise.all(files.map(async (file) => Buffer.from(await (await fetch(file)).arrayBuffer())));
  const sizes = [Buffer.from(html), ...bodies].map((body) => gzipSync(body).length);
  const total = sizes.reduce((sum, size) => sum + size);
  assert.ok(total < 250_000, `${total} bytes`);
});

test('an address with an unknown side says what to do', async (t) => {
  const window = await openWindow(t, `${server.url}/?side=carol`);
  const words = 'The demo has no user "carol". Leave ?side= out of the address.';
  await until('The page says so', () => window.evaluate((words) => document.body.textContent.includes(words), words));
});

test('the page keeps to its policy, and axe-core finds nothing', async (t) => {
  const document = await shared('Open to all');
  const [alices, bobs] = await Side.openBoth(t, document);
  await alices.click('Heading');
  await alices.type('A heading');
  await alices.type('\n');
  await alices.click('Bulleted list');
  await alices.type('A list');
  await bobs.expect('content', 'A heading\nA list');
  await bobs.expect('carets', ['Alice']);
  await alices.expect('status', /^Saved/);
  const { window } = alices;

  for (const [width, height] of [[1280, 800], [390, 844], [320, 640]]) {
    for (const scheme of ['light', 'dark']) {
      await window.emulate({ width, height, scheme });
      assert.deepEqual(await findBarriers(window), [], `${scheme}, ${width} pixels wide`);
      const overflow = await window.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `The page is ${overflow} pixels wider than ${width}`);
      assert.deepEqual(await window.evaluate(findCutButtons), [], `${width} pixels wide`);
      await alices.click('History');
      await alices.expect('past', /A heading/);
      assert.deepEqual(await findBarriers(window), [], `history, ${scheme}, ${width} pixels wide`);
      await alices.click('Close the history');
    }
  }

  // The browser logs what the policy refuses.
  assert.deepEqual(window.errors, []);
  const outside = window.requests.filter((address) => !address.startsWith(`${server.url}/`) && !address.startsWith('data:'));
  assert.deepEqual(outside, []);
  const { headers } = await fetch(`${server.url}/`);
  assert.doesNotMatch(headers.get('content-security-policy'), /unsafe|\*|http/);
});

test('the name at a caret stays inside a narrow sheet', async (t) => {
  const document = await shared('Narrow');
  const alices = await Side.openAlone(t, document, 'Alice');
  await alices.window.emulate({ width: 320, height: 640, scheme: 'light' });
  const bobs = await Side.openAlone(t, document, 'Bob');
  const isInside = () =>
    alices.window.evaluate(() => {
      const [name, sheet] = ['.caret-name', '.sheet'].map((selector) => document.querySelector(selector).getBoundingClientRect());
      return name.left >= sheet.left && name.right <= sheet.right;
    });
  // Somewhere in them the caret is at the end of a line.
  const letters = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz';
  for (let typed = 1; typed <= letters.length; typed += 1) {
    await bobs.type(letters[typed - 1]);
    await alices.expect('content', letters.slice(0, typed));
    await alices.expect('carets', ['Bob']);
    await until(`The name is inside the sheet after ${typed} letters`, isInside);
  }
});

test('the page works behind a proxy that serves it under a path', async (t) => {
  const document = await shared('Under a path');
  const proxy = await PrefixProxy.start('/docs', server.url);
  t.after(() => proxy.stop());
  const window = await openWindow(t, `${proxy.url}/?document=${document}`);
  const [alices, bobs] = await Promise.all(['Alice', 'Bob'].map((name) => new Side(window, name).opened()));
  await alices.type('Through');
  await bobs.expect('content', 'Through');
  assert.deepEqual(proxy.outside, []);
});

test('without --demo, a user signs in, creates a document and writes in it', async (t) => {
  const plain = await Server.start();
  t.after(() => plain.stop());
  assert.deepEqual(await (await fetch(`${plain.url}/demo.json`)).json(), { demo: false });
  const window = await openWindow(t, `${plain.url}/`);
  const submit = (fields) =>
    window.evaluate((fields) => {
      const form = document.querySelector('form');
      for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
      form.requestSubmit();
    }, fields);
  const heading = () => window.evaluate(() => document.querySelector('h1')?.textContent);

  await until('The sign-in is shown', async () => (await heading()) === 'Sign in to coscribe');
  assert.deepEqual(await findBarriers(window), []);
  await submit({ email: 'carol@example.com', password: 'not her password' });
  await until('The refusal is shown', () => window.evaluate(() => document.querySelector('[role=alert]').textContent));

  await window.evaluate(() => [...document.querySelectorAll('button')].find((button) => button.type === 'button').click());
  assert.equal(await heading(), 'Create an account');
  assert.deepEqual(await findBarriers(window), []);
  const rule = (description) => document.getElementById(document.querySelector('[type=password]').getAttribute(description)).innerText;
  assert.match(await window.evaluate(rule, 'aria-describedby'), /^8 to 1024 bytes/);
  await submit({ name: 'Carol', email: 'carol@example.com', password: 'Carol likes long passwords' });
  await until('The documents are shown', async () => (await heading()) === 'Your documents');
  assert.deepEqual(await findBarriers(window), []);
  await submit({ title: 'Mine' });

  const carols = await new Side(window, 'Carol').opened();
  await carols.type('Alone');
  await carols.expect('status', /^Saved/);
  await window.open();
  await carols.expect('content', 'Alone');
});
