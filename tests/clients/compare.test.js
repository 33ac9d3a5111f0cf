// Comparing two versions tells what leads from one to the other, and passages have the author of each letter. The published Yjs
// package tells what each version had, and which editor inserted what.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import * as Y from 'yjs';

import { createDocument, grant, readDocument } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { chooseSeeds, Random } from './support/plan.js';
import { change, contentOf, pieces } from './support/rich-content.js';
import { Server } from './support/server.js';

/** The seeds of every run. */
const SEEDS = [3, 4, 20_261_129];

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Returns what two versions differ in. */
async function compare(id, from, to) {
  const query = `query ($id: ID!, $from: Int!, $to: Int!) {
    compare(documentId: $id, from: $from, to: $to) { json } }`;
  return JSON.parse(data(await bob.run(query, { id, from, to })).compare.json);
}

/** Returns all passages of a document. */
async function readPassages(id) {
  const query = `query ($id: ID!, $after: String) {
    passages(documentId: $id, after: $after) { endCursor nodes { root path text author { name } } } }`;
  const all = [];
  let cursor = null;
  do {
    const { nodes, endCursor } = data(await bob.run(query, { id, after: cursor })).passages;
    all.push(...nodes);
    cursor = endCursor;
  } while (cursor !== null);
  return all;
}

/** Returns content after a difference. */
function changed({ text, body, cells, list }, { content, default: tree, cells: map, list: values }) {
  return {
    text: changedText(text, content),
    body: changedList(body, tree?.content, changedNode).map(fromProseMirror),
    cells: changedEntries(cells, map?.entries),
    list: changedList(list, values?.content),
  };
}

function changedText(before, difference) {
  const text = new Y.Doc().getText();
  text.applyDelta(before);
  text.applyDelta(difference?.ops ?? []);
  return pieces(text);
}

function changedList(before, steps = [], changeElement) {
  const [rest, result] = [[...before], []];
  for (const step of steps) {
    if (step.keep) result.push(...rest.splice(0, step.keep));
    else if (step.insert) result.push(...step.insert);
    else if (step.change) result.push(changeElement(rest.shift(), step.change));
    else rest.splice(0, step.delete.length);
  }
  return [...result, ...rest];
}

function changedNode(node, { type, attrs, content }) {
  assert.equal(type, node.name);
  return {
    ...node,
    attributes: changedEntries(node.attributes, attrs),
    content: changedList(node.content, content, changedText),
  };
}

function changedEntries(before, entries = {}) {
  const result = { ...before };
  for (const [key, { from, to, change: inside }] of Object.entries(entries)) {
    if (inside) result[key] = changedEntries(before[key], inside.entries);
    else {
      assert.deepEqual(from, before[key]);
      if (to === undefined) delete result[key];
      else result[key] = to;
    }
  }
  return result;
}

/** Returns an inserted node in the form of the others, which stay as they are. */
function fromProseMirror(node) {
  if (node.name !== undefined) return node;
  const format = ({ type, attrs }) => [type, attrs ?? true];
  const piece = ({ text, marks = [] }) => ({ insert: text, attributes: Object.fromEntries(marks.map(format)) });
  return { name: node.type, attributes: node.attrs ?? {}, content: [(node.content ?? []).map(piece)] };
}

/** Returns the author of each code unit of a text. */
function authorsOf(text, authors) {
  const units = [];
  for (let item = text._start; item !== null; item = item.right) {
    const isText = !item.deleted && item.content instanceof Y.ContentString;
    if (isText) for (const unit of item.content.str.split('')) units.push([unit, authors.get(item.id.client)]);
  }
  return units;
}

/** Returns the letters of passages, each with its author. */
function letters(passages) {
  const written = passages.filter(({ text }) => text !== null);
  return written.flatMap(({ text, author }) => text.split('').map((unit) => [unit, author?.name]));
}

for (const seed of chooseSeeds(SEEDS)) {
  test(`differences and authors are those of a model (COSCRIBE_SEED=${seed})`, async (t) => {
    const random = new Random(seed);
    const { id } = await createDocument(alice, 'Together', 'Begin');
    await grant(alice, id, 'EDIT', bob.email);
    const editors = [await Editor.open(alice, id), await Editor.open(bob, id)];
    t.after(() => editors.forEach((editor) => editor.close()));
    let { version } = await readDocument(alice, id);
    const versions = new Map([[version, contentOf(editors[0].doc)]]);
    for (let step = 0; step < 40; step += 1) {
      const { doc } = random.pick(editors);
      let hasChanged = false;
      doc.once('update', () => (hasChanged = true));
      change(doc, random);
      if (!hasChanged) continue;
      const before = version;
      await until(`a version after ${before}`, async () => {
        ({ version } = await readDocument(alice, id));
        return version > before;
      });
      versions.set(version, contentOf(doc));
      const isEverywhere = () => editors.every((editor) => isDeepStrictEqual(contentOf(editor.doc), contentOf(doc)));
      await until(`version ${version} in both editors`, isEverywhere);
    }
    const all = [...versions];
    for (let count = 0; count < 40; count += 1) {
      const [[from, old], [to, expected]] = [random.pick(all), random.pick(all)];
      const difference = await compare(id, from, to);
      assert.deepEqual(changed(old, difference), expected, `${from} to ${to}: ${JSON.stringify(difference)}`);
    }
    // The text from before was written by the server's own client, for Alice.
    const [alices, bobs] = editors.map(({ doc }) => doc.clientID);
    const authors = { get: (client) => (client === bobs ? 'Bob' : 'Alice') };
    assert.notEqual(alices, bobs);
    const passages = await readPassages(id);
    const { doc } = editors[1];
    const inRoot = (name) => letters(passages.filter(({ root }) => root === name));
    assert.deepEqual(inRoot('content'), authorsOf(doc.getText('content'), authors));
    const texts = doc.getXmlFragment('default').toArray().map((block) => block.get(0));
    assert.deepEqual(inRoot('default'), texts.flatMap((text) => authorsOf(text, authors)));
  });
}
