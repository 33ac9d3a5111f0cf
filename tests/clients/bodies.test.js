// `replaceBody` while others type, with random documents of ProseMirror. y-prosemirror writes the same trees and tells what the
// result is when nobody types. What is typed meanwhile stays, wherever its node stays.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { schema } from 'prosemirror-schema-basic';
import { initProseMirrorDoc, prosemirrorToYXmlFragment, updateYFragment, yXmlFragmentToProsemirrorJSON } from 'y-prosemirror';
import * as Y from 'yjs';

import { createDocument, grant, readDocument } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { chooseSeeds, Random } from './support/plan.js';
import { Server } from './support/server.js';

/** The seeds of every run. */
const SEEDS = [1, 2, 20_261_129];
/** The documents of each seed. */
const ROUNDS = 8;
/** The root type of the documents. */
const ROOT = 'default';

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Writes random trees. Each of their top nodes has a word that no other one has, so that equal ones are the same. */
class TreeWriter {
  #words = 0;

  constructor(random) {
    this.random = random;
  }

  tree() {
    return { type: 'doc', content: Array.from({ length: 1 + this.random.below(7) }, () => this.block()) };
  }

  block() {
    const { random } = this;
    this.#words += 1;
    const word = `w${this.#words} `;
    switch (random.below(8)) {
      case 0:
        return { type: 'heading', attrs: { level: 1 + random.below(6) }, content: this.#inline(word) };
      case 1:
        return { type: 'code_block', content: [{ type: 'text', text: word + random.characters(6) }] };
      case 2: {
        const inner = Array.from({ length: 1 + random.below(3) }, (_, n) => this.#paragraph(`${word}${n} `));
        return { type: 'blockquote', content: random.below(2) ? inner : [...inner, { type: 'horizontal_rule' }] };
      }
      default:
        return this.#paragraph(word);
    }
  }

  #paragraph(word) {
    return { type: 'paragraph', content: this.#inline(word) };
  }

  #inline(word) {
    const pieces = Array.from({ length: this.random.below(5) }, () => this.#piece());
    return [{ type: 'text', text: word }, ...pieces];
  }

  #piece() {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
        return { type: 'image', attrs: { src: `${random.below(3)}.png`, alt: null, title: null } };
      case 1:
        return { type: 'hard_break' };
      default:
        return { type: 'text', text: random.characters(6), ...this.#marks() };
    }
  }

  #marks() {
    const marks = [
      { type: 'strong' },
      { type: 'em' },
      { type: 'link', attrs: { href: `/${this.random.below(3)}`, title: null } },
    ];
    return { marks: marks.filter(() => this.random.below(3) === 0) };
  }

  /** Returns another tree, and the indexes of the top nodes that are the same in both, in `tree`. */
  changed(tree) {
    const { random } = this;
    const [content, kept] = [[], new Set()];
    tree.content.forEach((block, index) => {
      if (random.below(5) === 0) content.push(this.block());
      switch (random.below(6)) {
        case 0:
          return;
        case 1: case 2:
          content.push(this.#changedBlock(block));
          return;
        default:
          kept.add(index);
          content.push(block);
      }
    });
    if (content.length === 0 || random.below(3) === 0) content.push(this.block());
    return { tree: { type: 'doc', content }, kept };
  }

  #changedBlock(block) {
    const { random } = this;
    if (block.type === 'blockquote') {
      const [first, ...others] = block.content;
      const last = random.below(2) ? [this.#paragraph(`${random.characters(2)} `)] : [];
      return { ...block, content: [this.#changedBlock(first), ...others, ...last] };
    }
    const content = structuredClone(block.content);
    const texts = content.filter(({ type }) => type === 'text');
    const text = random.pick(texts);
    const at = random.position(text.text);
    const rest = text.text.slice(at + random.deletableLength(text.text, at));
    text.text = text.text.slice(0, at) + random.characters(4) + rest;
    if (block.type === 'code_block') return { ...block, content };
    if (random.below(3) === 0) text.marks = [{ type: 'strong' }];
    if (random.below(3) === 0) content.splice(1 + random.below(content.length), 0, this.#piece());
    return { ...block, content };
  }
}

/** Returns a tree as ProseMirror writes it: with all attributes, and with equal text joined. */
function normal(tree) {
  return schema.nodeFromJSON(tree).toJSON();
}

function fragmentOf(doc) {
  return doc.getXmlFragment(ROOT);
}

/** Returns the tree of a Yjs document. */
function treeOf(doc) {
  return normal(yXmlFragmentToProsemirrorJSON(fragmentOf(doc)));
}

/** Returns the tree and the version that a GraphQL client reads. */
async function storedTree(id) {
  const { version } = await readDocument(alice, id);
  const query = `query ($id: ID!, $version: Int!, $root: String!) {
    documentAt(documentId: $id, version: $version) { body(root: $root) }
  }`;
  const { body } = data(await alice.run(query, { id, version, root: ROOT })).documentAt;
  return { version, tree: normal({ type: 'doc', content: body ?? [] }) };
}

async function replaceBody(id, body, base) {
  const mutation = `mutation ($id: ID!, $body: JSON!, $base: Int!, $root: String!) {
    replaceBody(documentId: $id, body: $body, baseVersion: $base, root: $root) { version }
  }`;
  return data(await alice.run(mutation, { id, body, base, root: ROOT })).replaceBody.version;
}

/**
 * Runs a test with new documents. In each of them y-prosemirror has written a random tree, which is `old` and has the version
 * `base`. `tree` is another one, and `nodes` are the top nodes of Bob's editor that are the same in both.
 */
async function withDocuments(seed, run) {
  const random = new Random(seed);
  for (let round = 0; round < ROUNDS; round += 1) {
    const trees = new TreeWriter(random);
    const old = trees.tree();
    const { tree, kept } = trees.changed(old);
    const { id, version } = await createDocument(alice, 'Together');
    await grant(alice, id, 'EDIT', bob.email);
    const editor = await Editor.open(bob, id);
    try {
      prosemirrorToYXmlFragment(schema.nodeFromJSON(old), fragmentOf(editor.doc));
      const base = await versionWith(id, editor, version);
      const nodes = fragmentOf(editor.doc).toArray().filter((_, index) => kept.has(index));
      await run({ random, id, editor, old, base, tree, nodes });
    } finally {
      editor.close();
    }
  }
}

/** Waits until the database and the editor have the same tree, in a version after `version`. Returns that version. */
async function versionWith(id, { doc }, version) {
  let stored;
  const isSame = async () => {
    stored = await storedTree(id);
    return stored.version > version && isDeepStrictEqual(stored.tree, treeOf(doc));
  };
  const state = () => JSON.stringify({ stored, shown: treeOf(doc) });
  await until('the database and the editor have the same tree', isSame, undefined, state);
  return stored.version;
}

/** Returns what y-prosemirror makes of a document when its content becomes `tree`. */
function writtenByProseMirror(doc, tree) {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  const { meta } = initProseMirrorDoc(fragmentOf(copy), schema);
  updateYFragment(copy, fragmentOf(copy), schema.nodeFromJSON(tree), meta);
  return treeOf(copy);
}

function isDeleted(type) {
  for (let item = type._item; item; item = item.parent._item) {
    if (item.deleted) return true;
  }
  return false;
}

function textOf(xmlText) {
  return xmlText.toDelta().map(({ insert }) => insert).join('');
}

/** Someone who types into an editor: marks such as `<7>` into its texts, and paragraphs of a mark. */
class Typist {
  /** The marks, each with its text or paragraph. */
  typed = [];

  constructor(editor, random) {
    this.fragment = fragmentOf(editor.doc);
    this.random = random;
  }

  type() {
    const { fragment, random } = this;
    const mark = `<${this.typed.length}>`;
    const texts = textsIn(fragment);
    if (texts.length === 0 || random.below(4) === 0) {
      const paragraph = new Y.XmlElement('paragraph');
      paragraph.insert(0, [new Y.XmlText(mark)]);
      fragment.insert(random.below(fragment.length + 1), [paragraph]);
      this.typed.push({ mark, node: paragraph, top: paragraph });
    } else {
      const node = random.pick(texts);
      node.insert(random.position(textOf(node)), mark);
      this.typed.push({ mark, node, top: topOf(node) });
    }
  }
}

/** Returns the XML texts in a node. */
function textsIn(node) {
  return node.toArray().flatMap((child) => (child instanceof Y.XmlText ? [child] : textsIn(child)));
}

/** Returns the node of the root type that has a node in it. */
function topOf(node) {
  let top = node;
  while (top.parent instanceof Y.XmlElement) top = top.parent;
  return top;
}

/** Returns a tree without marks, and without the paragraphs that had nothing else. */
function withoutMarks(tree) {
  const without = (node) => {
    if (node.type === 'text') return { ...node, text: node.text.replace(/<\d+>/g, '') };
    const content = node.content?.map(without).filter(({ type, text }) => type !== 'text' || text !== '');
    return { ...node, ...(content && { content }) };
  };
  const hadMarksOnly = ({ type, content }) => type === 'paragraph' && content?.length === 0;
  const { content, ...root } = without(tree);
  return normal({ ...root, content: content?.filter((block) => !hadMarksOnly(block)) ?? [] });
}

for (const seed of chooseSeeds(SEEDS)) {
  test(`replaced trees are those of y-prosemirror (COSCRIBE_SEED=${seed})`, () =>
    withDocuments(seed, async ({ id, editor, old, base, tree, nodes }) => {
      assert.deepEqual(treeOf(editor.doc), normal(old));
      const expected = writtenByProseMirror(editor.doc, tree);
      assert.deepEqual(expected, normal(tree));

      const version = await replaceBody(id, tree, base);
      assert.deepEqual(await storedTree(id), { version, tree: expected });
      await until('the editor has the new tree', () => isDeepStrictEqual(treeOf(editor.doc), expected));
      for (const node of nodes) assert.ok(!isDeleted(node), 'a node that stayed is the same item of Yjs');
      assert.equal(await replaceBody(id, tree, version), version, 'the same tree changes nothing');
    }));

  test(`nothing that is typed while a tree is replaced is lost (COSCRIBE_SEED=${seed})`, () =>
    withDocuments(seed, async ({ random, id, editor, base, tree, nodes }) => {
      const typist = new Typist(editor, random);
      for (let count = random.below(6); count >= 0; count -= 1) typist.type();
      // Sometimes the server has stored it before it replaces the tree of the version before, and sometimes not.
      if (random.below(2) === 0) await versionWith(id, editor, base);
      const replaced = replaceBody(id, tree, base);
      for (let count = random.below(6); count >= 0; count -= 1) {
        typist.type();
        await yieldToEvents();
      }
      await versionWith(id, editor, (await replaced) - 1);

      const result = treeOf(editor.doc);
      const late = await Editor.open(alice, id);
      const lateTree = treeOf(late.doc);
      late.close();
      assert.deepEqual(lateTree, result, 'a client that comes later has the same tree');
      assert.deepEqual(withoutMarks(result), normal(tree), 'without what was typed, it is the new tree');
      for (const node of nodes) assert.ok(!isDeleted(node), 'a node that stayed is the same item of Yjs');
      const shown = JSON.stringify(result);
      for (const { mark, node, top } of typist.typed) {
        const mustStay = top === node || nodes.includes(top) || !isDeleted(node);
        if (mustStay) assert.ok(shown.includes(mark), `${mark} is lost: ${shown}`);
      }
    }));
}

test('what is typed into paragraphs without text is kept as y-prosemirror keeps it', async () => {
  const paragraph = (text) => ({ type: 'paragraph', ...(text && { content: [{ type: 'text', text }] }) });
  const tree = (...texts) => ({ type: 'doc', content: texts.map(paragraph) });
  // The first paragraph was cleared before, the second one becomes empty, and the third one changes.
  const { id, version } = await createDocument(alice, 'Cleared');
  await grant(alice, id, 'EDIT', bob.email);
  const editor = await Editor.open(bob, id);
  prosemirrorToYXmlFragment(schema.nodeFromJSON(tree('First', 'Second', 'Third')), fragmentOf(editor.doc));
  textsIn(fragmentOf(editor.doc))[0].delete(0, 5);
  const base = await versionWith(id, editor, version);
  const read = await storedTree(id);
  assert.equal(await replaceBody(id, read.tree, base), base, 'what was read changes nothing');

  const target = tree('', '', 'Third, changed');
  const written = new Y.Doc();
  Y.applyUpdate(written, Y.encodeStateAsUpdate(editor.doc));
  const [cleared, second, third] = textsIn(fragmentOf(editor.doc));
  cleared.insert(0, 'typed');
  second.insert(6, ' typed');
  third.insert(0, 'typed ');
  await versionWith(id, editor, base);
  const { meta } = initProseMirrorDoc(fragmentOf(written), schema);
  updateYFragment(written, fragmentOf(written), schema.nodeFromJSON(target), meta);
  Y.applyUpdate(written, Y.encodeStateAsUpdate(editor.doc));

  await replaceBody(id, target, base);
  assert.deepEqual((await storedTree(id)).tree, treeOf(written));
  assert.deepEqual(treeOf(written), tree('typed', ' typed', 'typed Third, changed'));
  editor.close();
});

test('a new title changes nothing else in a map, whatever types it has and whoever types in them', async () => {
  const { id } = await createDocument(alice, 'Pages');
  await grant(alice, id, 'EDIT', bob.email);
  const editor = await Editor.open(bob, id);
  const pages = editor.doc.getMap('pages');
  const words = (text) => new Y.XmlText(text);
  editor.doc.transact(() => {
    pages.set('title', 'Old');
    pages.set('bytes', new Uint8Array([1, 2, 3]));
    const paragraph = new Y.XmlElement('paragraph');
    paragraph.insert(0, [words('Hello')]);
    const fragment = new Y.XmlFragment();
    fragment.insert(0, [paragraph]);
    pages.set('page', fragment);
    pages.set('heading', words('Heading'));
    const replies = new Y.Map([['replies', Y.Array.from([1])]]);
    pages.set('list', Y.Array.from([new Y.Text('one'), new Y.Map([['c', 1]]), replies, { plain: 1 }]));
    pages.set('rich', new Y.Text('with a map'));
    pages.get('rich').insertEmbed(0, new Y.Map([['src', 'a.png']]));
  });
  const base = await versionWith(id, editor, 1);
  const read = `query ($id: ID!, $version: Int!) { documentAt(documentId: $id, version: $version) { body(root: "pages") } }`;
  const { body } = data(await alice.run(read, { id, version: base })).documentAt;
  const replace = `mutation ($id: ID!, $body: JSON!, $base: Int!) {
    replaceBody(documentId: $id, body: $body, baseVersion: $base, root: "pages") { version }
  }`;
  const replaced = async (body) => data(await alice.run(replace, { id, body, base })).replaceBody.version;
  assert.equal(await replaced(body), base, 'what was read changes nothing');

  const types = [pages.get('page'), pages.get('heading'), pages.get('list').get(0), pages.get('list').get(2).get('replies')];
  const before = pages.toJSON();
  await replaced({ ...body, title: 'New' });
  await until('The new title arrives', () => pages.get('title') === 'New');
  assert.deepEqual(pages.toJSON(), { ...before, title: 'New' });
  for (const type of types) assert.equal(type._item.deleted, false);
  assert.ok(pages.get('bytes') instanceof Uint8Array);
  pages.get('page').get(0).get(0).insert(5, ' typed');
  await until('What is typed is stored', async () => (await readDocument(alice, id)).version > base + 1);
  const { json } = data(await alice.run('query ($id: ID!) { exportDocument(documentId: $id) { json } }', { id })).exportDocument;
  assert.equal(JSON.parse(json).roots.pages.page[0].content[0].text, 'Hello typed');
  editor.close();
});
