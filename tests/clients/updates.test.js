// Programs that speak Yjs and have no connection: they load a document as an update, change it, and send the update back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';

import { divideUpdate } from '../../examples/divided-update/divide.js';
import { createDocument, grant, readDocument } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person, refusal } from './support/person.js';
import { Server } from './support/server.js';

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

async function load(person, id) {
  const query = 'query ($id: ID!) { exportDocument(documentId: $id) { version update } }';
  const { version, update } = data(await person.run(query, { id })).exportDocument;
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Buffer.from(update, 'base64'));
  return { doc, version };
}

function tryToApply(person, id, update) {
  const mutation = 'mutation ($id: ID!, $update: Bytes!) { applyUpdate(documentId: $id, update: $update) { version leftOut } }';
  return person.run(mutation, { id, update: Buffer.from(update).toString('base64') });
}

async function apply(person, id, update) {
  return data(await tryToApply(person, id, update)).applyUpdate;
}

/** Returns the message of an answer that refuses what was sent. */
function refusedInput(answer) {
  assert.equal(refusal(answer).code, 'BAD_USER_INPUT');
  return answer.errors[0].message;
}

test('a program changes a document that an editor has open', async (t) => {
  const { id } = await createDocument(alice, 'Together', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  const editor = await Editor.open(alice, id);
  t.after(() => editor.close());
  const { doc, version } = await load(bob, id);
  assert.equal(doc.getText('content').toString(), 'Hello');

  editor.append(' Alice');
  await until('her edit is stored', async () => (await readDocument(bob, id)).version > version);
  doc.getText('content').insert(0, 'Bob: ');
  doc.getMap('cells').set('a1', 12);
  const applied = await apply(bob, id, Y.encodeStateAsUpdate(doc));
  assert.deepEqual(applied, { version: version + 2, leftOut: false });
  // The answer means that it is stored.
  assert.equal((await readDocument(alice, id)).content, 'Bob: Hello Alice');
  await editor.expectText('Bob: Hello Alice');
  assert.equal(editor.doc.getMap('cells').get('a1'), 12);

  // Again, it brings nothing new.
  assert.deepEqual(await apply(bob, id, Y.encodeStateAsUpdate(doc)), applied);
});

test('an update that cannot be merged is refused with what to do', async () => {
  const { id } = await createDocument(alice, 'Alone', 'Hello');
  const { doc } = await load(alice, id);
  const before = Y.encodeStateVector(doc);
  doc.getText('content').insert(0, 'One ');
  const between = Y.encodeStateVector(doc);
  doc.getText('content').insert(0, 'Two ');
  const answer = await tryToApply(alice, id, Y.encodeStateAsUpdate(doc, between));
  assert.match(refusedInput(answer), /depends on changes that the document does not have/);
  await apply(alice, id, Y.encodeStateAsUpdate(doc, before));
  assert.equal((await readDocument(alice, id)).content, 'Two One Hello');

  for (const [update, why] of [
    [[1, 2, 3], /cannot be merged/],
    [Y.encodeStateAsUpdate((await load(alice, (await createDocument(alice, 'Other', 'x')).id)).doc), /another history/],
  ]) {
    assert.match(refusedInput(await tryToApply(alice, id, update)), why);
  }
  assert.equal((await readDocument(alice, id)).content, 'Two One Hello');
});

test('users who may only view cannot apply updates', async () => {
  const { id } = await createDocument(alice, 'Read me', 'Hello');
  await grant(alice, id, 'VIEW', bob.email);
  const { doc } = await load(bob, id);
  doc.getText('content').insert(0, 'x');
  assert.equal(refusal(await tryToApply(bob, id, Y.encodeStateAsUpdate(doc))).code, 'FORBIDDEN');
  assert.equal((await readDocument(alice, id)).content, 'Hello');
});

test('content that is not supported is left out, and the answer says so', async () => {
  const { id } = await createDocument(alice, 'Together', 'Hello');
  const { doc } = await load(alice, id);
  doc.getXmlFragment('page').insert(0, [new Y.XmlHook('hook')]);
  doc.getText('content').insert(5, '!');
  const { leftOut } = await apply(alice, id, Y.encodeStateAsUpdate(doc));
  assert.equal(leftOut, true);
  assert.equal((await readDocument(alice, id)).content, 'Hello!');
});

test('a subdocument whose options are no object is left out, because no page could open the document', async () => {
  const { id } = await createDocument(alice, 'Together', 'Hello');
  for (const [client, options] of [null, undefined, 7].entries()) {
    // An entry of the root map `m` that is a subdocument.
    const update = encoding.encode((encoder) => {
      for (const number of [1, 1, 70 + client, 0]) encoding.writeVarUint(encoder, number);
      encoding.writeUint8(encoder, 0x29);
      encoding.writeVarUint(encoder, 1);
      for (const text of ['m', `key ${client}`, 'guid']) encoding.writeVarString(encoder, text);
      encoding.writeAny(encoder, options);
      encoding.writeVarUint(encoder, 0);
    });
    const { leftOut } = await apply(alice, id, update);
    assert.equal(leftOut, true);
  }
  const { doc } = await load(alice, id);
  assert.equal(doc.getText('content').toString(), 'Hello');
  assert.deepEqual(doc.getMap('m').toJSON(), {});
});

test('numbers arrive at everybody as they were written', async () => {
  const { id } = await createDocument(alice, 'Numbers');
  const { doc } = await load(alice, id);
  const numbers = [7.547327283338224e-10, 46.787088045928684, 3.8219881267286837, 1e21, -0.1];
  doc.getText('content').insertEmbed(0, { numbers });
  doc.getText('content').insert(1, 'text', { numbers });
  const { version } = await apply(alice, id, Y.encodeStateAsUpdate(doc));
  const [embed, text] = (await load(alice, id)).doc.getText('content').toDelta();
  assert.deepEqual([embed.insert.numbers, text.attributes.numbers], [numbers, numbers]);
  const replace = `mutation ($id: ID!, $body: JSON!, $base: Int!) {
    replaceBody(documentId: $id, body: $body, baseVersion: $base, root: "m", kind: MAP) { version }
  }`;
  const replaced = data(await alice.run(replace, { id, body: { numbers }, base: version })).replaceBody;
  assert.deepEqual((await load(alice, id)).doc.getMap('m').get('numbers'), numbers);
  assert.equal(data(await alice.run(replace, { id, body: { numbers }, base: replaced.version })).replaceBody.version, replaced.version);
});

test('a large document is imported in parts', async () => {
  const { id } = await createDocument(alice, 'Import');
  const { doc } = await load(alice, id);
  const updates = [];
  doc.on('update', (update) => updates.push(update));
  const body = doc.getXmlFragment('default');
  for (let part = 0; part < 8; part += 1) {
    const paragraphs = Array.from({ length: 500 }, (_, index) => {
      const paragraph = new Y.XmlElement('paragraph');
      paragraph.insert(0, [new Y.XmlText(`${part}.${index} ${'word '.repeat(50)}`)]);
      return paragraph;
    });
    doc.transact(() => body.push(paragraphs));
  }
  for (const update of updates) await apply(alice, id, update);
  const stored = (await load(alice, id)).doc.getXmlFragment('default');
  assert.equal(stored.length, 4_000);
  assert.equal(stored.toString(), body.toString());
});

test('a large document is imported in parts, whoever wrote it', async () => {
  const docs = [1, 2, 3].map((clientID) => Object.assign(new Y.Doc(), { clientID }));
  for (let round = 0; round < 600; round += 1) {
    const doc = docs[round % 3];
    const text = doc.getText('content');
    text.insert((round * 7) % (text.length + 1), `${round} `);
    if (round % 5 === 0) text.delete(0, 1);
    doc.getMap('cells').set(`a${round % 4}`, new Y.Map([['round', round]]));
    if (round % 4 === 0) Y.applyUpdate(docs[(round + 1) % 3], Y.encodeStateAsUpdate(doc));
  }
  for (const doc of docs) Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(doc));
  docs[0].getMap('chapters').set('first', new Y.Doc({ guid: 'one' }));

  const { id } = await createDocument(alice, 'Imported', '');
  const parts = [...divideUpdate(Y, Y.encodeStateAsUpdate(docs[0]), { structs: 200 })];
  assert.ok(parts.length > 5, `${parts.length} parts`);
  for (const part of parts) assert.equal((await apply(alice, id, part)).leftOut, false);

  const { doc } = await load(alice, id);
  assert.equal(doc.getText('content').toString(), docs[0].getText('content').toString());
  assert.deepEqual(doc.getMap('cells').toJSON(), docs[0].getMap('cells').toJSON());
  assert.equal(doc.getMap('chapters').get('first').guid, 'one');
});

test('a document of 50 MB is imported in parts', async () => {
  const written = new Y.Doc();
  const body = written.getXmlFragment('default');
  for (let chapter = 0; chapter < 50; chapter += 1) {
    const paragraphs = Array.from({ length: 100 }, (_, index) => {
      const paragraph = new Y.XmlElement('paragraph');
      paragraph.insert(0, [new Y.XmlText(`${chapter}.${index} ${'word '.repeat(2_100)}`)]);
      return paragraph;
    });
    written.transact(() => body.push(paragraphs));
  }
  const state = Y.encodeStateAsUpdate(written);
  assert.ok(state.length > 50_000_000, `${state.length} bytes`);

  const { id } = await createDocument(alice, 'A book', '');
  for (const part of divideUpdate(Y, state)) assert.equal((await apply(alice, id, part)).leftOut, false);
  const { doc } = await load(alice, id);
  assert.equal(doc.getXmlFragment('default').toString(), body.toString());
});
