// Two and five windows of a rich editor on one document, at /collab and at /sync. Their users type and format at random while the
// server is killed and started again. In the end all windows, the database and GraphQL agree.
//
// The seed determines the keys that are pressed. How they interleave may differ between runs. `COSCRIBE_SEED=n` runs the seed `n`
// only, `COSCRIBE_SEEDS=n` runs `n` new seeds.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import * as Y from 'yjs';

import { Browser } from './support/browser.js';
import { createDocument, grant, readDocument } from './support/documents.js';
import { EditorPage, servePages } from './support/editor-page.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { chooseSeeds, Random } from './support/plan.js';
import { Server } from './support/server.js';
import { readRoot } from './support/yjs-json.js';

/** The editors, and the root type that each one uses in the examples of the guide. */
const EDITORS = {
  tiptap: ['default', Y.XmlFragment],
  blocknote: ['blocknote', Y.XmlFragment],
  lexical: ['root', Y.XmlText],
  quill: ['content', Y.Text],
};

/** Where the windows connect: the first two at once, then all five. */
const ADDRESSES = ['collab', 'sync', 'collab', 'sync', 'collab'];

/** How many things each user does before and after the server is killed. */
const STEPS = 6;

/** What Chromium logs for each attempt to connect while the server is down. */
const UNREACHABLE = `WebSocket connection to '\\S+' failed`;

/**
 * What ProseMirror, Lexical and their bindings log when another user deletes or moves what is next to the own selection: the place
 * where it would be put back does not exist, or is between blocks. A key that is pressed there has no effect.
 */
const PROSEMIRROR_SELECTION = [
  '^error: Caught error while handling a Yjs update RangeError: Position \\d+ out of range$',
  '^RangeError: Position \\d+ out of range\\n[^]* at restoreRelativeSelection ',
  '^Error: TransformError: Inserted content deeper than insertion position\\n[^]* at split ',
  '^warn: TextSelection endpoint not pointing into a node with inline content \\(\\w+\\)$',
];
const LEXICAL_SELECTION = ['^error: Error: PointType\\.set: node with key \\d+ is \\[not found\\]'];

/** What the pages of each editor may log. */
const EXPECTED = {
  tiptap: [UNREACHABLE, ...PROSEMIRROR_SELECTION],
  blocknote: [UNREACHABLE, ...PROSEMIRROR_SELECTION],
  lexical: [UNREACHABLE, ...LEXICAL_SELECTION],
  quill: [UNREACHABLE],
};

/**
 * Editors whose pages may show something else than their Yjs document has: BlockNote after an error about a lost selection, until
 * the page is loaded again, and Lexical when users type at one place at the same time. A page of Lexical that is loaded then
 * writes what it has understood, so only its Yjs documents are compared.
 */
const INEXACT = ['blocknote', 'lexical'];

let server, alice, bob, browser, site, windows;

before(async () => {
  browser = await Browser.launch();
  windows = await Promise.all(ADDRESSES.map(() => browser.open('about:blank')));
  site = await servePages({ editors: Object.keys(EDITORS) });
  server = await Server.start({ env: { COSCRIBE__SERVER__ALLOWED_ORIGINS: '*' } });
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
});

/** Does one thing that a user does with the keyboard. */
async function step({ window }, random) {
  const press = async (times, ...keys) => {
    for (let time = 0; time < times; time += 1) await window.press(...keys);
  };
  const word = () => window.type(`${random.pick(['one', 'two', 'three', 'über', '漢字', '🎈'])} `);
  const format = async () => {
    await press(1 + random.below(6), 'Shift', random.pick(['ArrowLeft', 'ArrowRight']));
    await press(1, 'Control', random.pick(['b', 'i']));
    await press(1, 'ArrowRight');
  };
  const move = () => press(1, random.pick(['Home', 'End', 'ArrowUp', 'ArrowDown', 'ArrowLeft']));
  const actions = [
    word,
    word,
    word,
    format,
    format,
    move,
    () => press(1, 'Enter'),
    () => press(1 + random.below(3), 'Backspace'),
    () => press(1, 'Control', 'z'),
  ];
  await random.pick(actions)();
}

async function work(page, random) {
  for (let number = 0; number < STEPS; number += 1) await step(page, random);
}

/** Returns the content of `root` in a Yjs update, as GraphQL has it. */
function contentOf(update, [name, type]) {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Buffer.from(update, 'base64'));
  return readRoot(doc.get(name, type));
}

/** Returns the document at its newest version. */
async function readStored(document) {
  const { version } = await readDocument(alice, document);
  const query = `query ($id: ID!, $version: Int!) {
    documentAt(documentId: $id, version: $version) { content json update }
  }`;
  const { content, json, update } = data(await alice.run(query, { id: document, version })).documentAt;
  return { content, update, ...JSON.parse(json) };
}

/** Waits until all windows have saved everything and have the same content. Checks that the server has it. Returns it. */
async function expectAgreement(pages, document, root) {
  const look = async (page) => ({
    name: page.name,
    status: await page.status,
    content: contentOf(await page.update, root),
    shown: await page.content,
  });
  const expectEqual = async (what, properties) => {
    let found;
    const values = (look) => properties.map((property) => look[property]);
    const isEqual = async () => {
      found = await Promise.all(pages.map(look));
      const saved = found.every(({ status }) => status === 'Saved');
      return saved && found.every((page) => isDeepStrictEqual(values(page), values(found[0])));
    };
    await until(what, isEqual, undefined, () => JSON.stringify(found, null, 1));
    return found[0].content;
  };

  const { editor } = pages[0];
  const isInexact = INEXACT.includes(editor);
  const content = await expectEqual('All windows have the same content', isInexact ? ['content'] : ['content', 'shown']);
  if (editor === 'blocknote') {
    for (const { window } of pages) await window.reload();
    assert.deepEqual(await expectEqual('All windows show the same', ['content', 'shown']), content);
  }
  await expectStored(document, root, content);
  return content;
}

/** Fails unless the server has `expected` in the database, and shows it to GraphQL clients. */
async function expectStored(document, root, expected) {
  // An empty root is left out.
  const { content, ops, roots = {}, update } = await readStored(document);
  assert.deepEqual(contentOf(update, root), expected);
  const [name] = root;
  if (name === 'content') {
    assert.deepEqual(ops, expected);
    assert.equal(content, expected.map(({ insert }) => insert).join(''));
  } else {
    assert.deepEqual(roots[name] ?? [], expected);
    // Blocks are lines, and which nodes are blocks is up to the editor.
    assert.equal(content.replaceAll('\n', ''), textOf(expected).replaceAll('\n', ''));
  }
}

/** Returns all text in the content of a root. */
function textOf(content) {
  if (Array.isArray(content)) return content.map(textOf).join('');
  if (typeof content.text === 'string') return content.text;
  if (typeof content.insert === 'string') return content.insert;
  return textOf(content.content ?? content.insert?.content ?? []);
}

/** Lets all users work. Meanwhile the server is killed and started again. */
async function workThroughCrash(pages, randoms) {
  for (const page of pages) {
    await until(`${page.name} can be edited`, () => page.isEditable);
    await page.window.click(page.selectors.click ?? page.selectors.input);
  }
  await Promise.all(pages.map((page, index) => work(page, randoms[index])));
  await Promise.all([server.end({ kill: true }), ...pages.map((page, index) => work(page, randoms[index]))]);
  await server.launch();
}

for (const seed of chooseSeeds([1])) {
  const documents = new Map();

  for (const [editor, root] of Object.entries(EDITORS)) {
    test(`${editor}, seed ${seed}: two and five windows agree after a crash of the server`, async (t) => {
      const { id } = await createDocument(alice, 'Together');
      await grant(alice, id, 'EDIT', bob.email);
      const randoms = ADDRESSES.map((_address, index) => new Random(BigInt(seed) * 100n + BigInt(index)));
      const pages = [];
      const open = async (from, to) => {
        const opened = ADDRESSES.slice(from, to).map(async (address, index) => {
          const window = windows[from + index];
          const page = await EditorPage.open(t, { window, site, editor, address }, index % 2 ? bob : alice, id);
          return page;
        });
        pages.push(...(await Promise.all(opened)));
      };
      await open(0, 2);
      await workThroughCrash(pages, randoms);
      await expectAgreement(pages, id, root);

      await open(2, 5);
      await workThroughCrash(pages, randoms);
      documents.set(id, { root, content: await expectAgreement(pages, id, root) });
      for (const page of pages) page.expectNoErrors(new RegExp(EXPECTED[editor].join('|')));
    });
  }

  test(`seed ${seed}: a restarted server has what all windows had`, async () => {
    for (const window of windows) await window.goto('about:blank');
    await server.restart({ kill: true });
    for (const [document, { root, content }] of documents) await expectStored(document, root, content);
    assert.equal(documents.size, Object.keys(EDITORS).length);
  });
}
