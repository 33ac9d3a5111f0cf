// Restoring a version brings back everything in it: formats, embedded objects, XML, maps and arrays. The published Yjs package
// tells what each version had.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import * as Y from 'yjs';

import { createDocument, grant, readDocument, update } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { chooseSeeds, Random } from './support/plan.js';
import { asProseMirror, change, contentOf, paragraph } from './support/rich-content.js';
import { Server } from './support/server.js';

/** The seeds of every run. */
const SEEDS = [1, 2, 20_261_128];

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

async function openBoth(t, content = '') {
  const { id } = await createDocument(alice, 'Together', content);
  await grant(alice, id, 'EDIT', bob.email);
  const editors = [await Editor.open(alice, id), await Editor.open(bob, id)];
  t.after(() => editors.forEach((editor) => editor.close()));
  return { id, editors };
}

async function restore(person, document, version) {
  const mutation = 'mutation ($id: ID!, $version: Int!) { restoreDocument(documentId: $id, version: $version) { version } }';
  return data(await person.run(mutation, { id: document, version })).restoreDocument.version;
}

/** Waits until the document has a version after `version`, and returns it. */
async function versionAfter(document, version) {
  let found;
  await until(`a version after ${version}`, async () => {
    found = (await readDocument(alice, document)).version;
    return found > version;
  });
  return found;
}

async function expectContent(editors, expected, what) {
  for (const { doc } of editors) {
    await until(`${what} in both editors`, () => isDeepStrictEqual(contentOf(doc), expected), undefined, () =>
      JSON.stringify({ shown: contentOf(doc), expected }),
    );
  }
}

/** Shows that GraphQL clients read a version as it was. */
async function expectStored(id, version, expected) {
  const query = 'query ($id: ID!, $version: Int!) { documentAt(documentId: $id, version: $version) { json update } }';
  const { json, update: state } = data(await bob.run(query, { id, version })).documentAt;
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Buffer.from(state, 'base64'));
  assert.deepEqual(contentOf(doc), expected, `version ${version}`);
  const { ops, roots = {} } = JSON.parse(json);
  assert.deepEqual(ops.map(({ insert, attributes = {} }) => ({ insert, attributes })), expected.text);
  assert.deepEqual(roots.default ?? [], expected.body.map(asProseMirror));
  assert.deepEqual([roots.cells ?? {}, roots.list ?? []], [expected.cells, expected.list]);
}

for (const seed of chooseSeeds(SEEDS)) {
  test(`restored versions are those of a model (COSCRIBE_SEED=${seed})`, async (t) => {
    const random = new Random(seed);
    const { id, editors } = await openBoth(t, 'Begin');
    let { version } = await readDocument(alice, id);
    const versions = new Map([[version, contentOf(editors[0].doc)]]);
    for (let step = 0; step < 30; step += 1) {
      const { doc } = random.pick(editors);
      let hasChanged = false;
      doc.once('update', () => (hasChanged = true));
      change(doc, random);
      if (!hasChanged) continue;
      version = await versionAfter(id, version);
      versions.set(version, contentOf(doc));
      await expectContent(editors, versions.get(version), `version ${version}`);
    }
    for (const [chosen, expected] of versions) await expectStored(id, chosen, expected);
    for (let count = 0; count < 10; count += 1) {
      const [chosen, expected] = random.pick([...versions]);
      version = await restore(random.pick([alice, bob]), id, chosen);
      await expectContent(editors, expected, `version ${chosen}`);
      versions.set(version, expected);
    }
    // A client that comes later, and GraphQL clients, see the same.
    const late = await Editor.open(bob, id);
    t.after(() => late.close());
    const last = versions.get(version);
    assert.deepEqual(contentOf(late.doc), last);
    const { content } = await readDocument(alice, id);
    const shown = last.text.map(({ insert }) => (typeof insert === 'string' ? insert : '\ufffc')).join('');
    // Without a text, it is that of the tree, with a line for each block.
    if (shown !== '') assert.equal(content, shown);
    else assert.equal(content.replaceAll('\n', ''), lettersOf(last.body));
  });
}

/** Returns all text in the paragraphs of a tree, without line feeds. */
function lettersOf(body) {
  const pieces = body.flatMap(({ content }) => content.flat());
  const texts = pieces.map(({ insert }) => (typeof insert === 'string' ? insert : ''));
  return texts.join('').replaceAll('\n', '');
}

test('what is written while a version is restored is kept', async (t) => {
  const { id, editors } = await openBoth(t);
  const [alices, bobs] = editors;
  const { version: empty } = await readDocument(alice, id);
  alices.doc.getXmlFragment('default').insert(0, [paragraph('One'), paragraph('Two')]);
  const version = await versionAfter(id, empty);
  await expectContent(editors, contentOf(alices.doc), 'two paragraphs');
  alices.doc.getXmlFragment('default').delete(1, 1);
  await versionAfter(id, version);

  bobs.provider.disconnect();
  bobs.doc.getXmlFragment('default').get(0).get(0).insert(3, ' and a half');
  await restore(alice, id, version);
  bobs.provider.connect();
  const expected = () => contentOf(alices.doc).body.map(({ content }) => content.flat()[0]?.insert);
  await until('both changes', () => isDeepStrictEqual(expected(), ['One and a half', 'Two']));
  await until('both changes at Bob', () => isDeepStrictEqual(contentOf(bobs.doc), contentOf(alices.doc)));
});

test('a version from before Yjs editors came is restored, and the one after it', async (t) => {
  const { id } = await createDocument(alice, 'Together', 'Plain');
  const { version } = await update(alice, id, { content: 'Plain text' });
  const editor = await Editor.open(alice, id);
  t.after(() => editor.close());
  editor.doc.getXmlFragment('default').insert(0, [paragraph('Rich')]);
  const rich = await versionAfter(id, version);
  const { body } = contentOf(editor.doc);
  await restore(alice, id, version);
  await until('no paragraph', () => contentOf(editor.doc).body.length === 0);
  assert.equal(editor.content, 'Plain text');
  await restore(alice, id, rich);
  await until('the paragraph', () => isDeepStrictEqual(contentOf(editor.doc).body, body));
});
