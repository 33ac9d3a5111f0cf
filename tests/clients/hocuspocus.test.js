// Pages with the unmodified HocuspocusProvider, together with editors of y-websocket and with GraphQL clients.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider';
import * as encoding from 'lib0/encoding';
import WebSocket from 'ws';
import * as Y from 'yjs';

import { createDocument, deleteDocument, grant, presentSessions, readDocument, revoke } from './support/documents.js';
import { Editor } from './support/editor.js';
import { Page } from './support/page.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';

// The types of messages, as in the source of the provider.
const [SYNC, AUTHENTICATION, CLOSE] = [0, 2, 7];
const [TOKEN, UPDATE] = [0, 2];

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Creates a document of Alice to which Bob has the access `level`. */
async function shared(content = '', level = 'EDIT') {
  const { id } = await createDocument(alice, 'Together', content);
  if (level) await grant(alice, id, level, bob.email);
  return id;
}

function pageOf(t, person, options) {
  const page = new Page(person, options);
  t.after(() => page.close());
  return page;
}

/** Opens a socket that only sends what a test says, with a document open. */
async function openSocket(person, document) {
  const socket = new WebSocket(`${person.server.url.replace('http', 'ws')}/collab`);
  await once(socket, 'open');
  socket.send(frame(document, AUTHENTICATION, [TOKEN], person.token));
  await once(socket, 'message');
  return socket;
}

/** Sends what a provider sends for a document in which the user has typed. */
function sendText(socket, document, text) {
  const typed = new Y.Doc();
  typed.getText('content').insert(0, text);
  socket.send(frame(document, AUTHENTICATION, [TOKEN], bob.token));
  socket.send(frame(document, SYNC, [UPDATE], Y.encodeStateAsUpdate(typed)));
}

/** Returns a message about a document. `rest` is a text, or bytes, or nothing. */
function frame(document, type, subtypes, rest) {
  return encoding.encode((encoder) => {
    encoding.writeVarString(encoder, document);
    for (const number of [type, ...subtypes]) encoding.writeVarUint(encoder, number);
    if (typeof rest === 'string') encoding.writeVarString(encoder, rest);
    else if (rest) encoding.writeVarUint8Array(encoder, rest);
  });
}

async function storedText(document) {
  return (await readDocument(alice, document)).content;
}

test('pages, editors of y-websocket and GraphQL clients edit the same document', async (t) => {
  const document = await shared('Hello');
  const alices = await pageOf(t, alice).open(document);
  const bobs = await pageOf(t, bob).open(document);
  const editor = await Editor.open(bob, document);
  t.after(() => editor.close());
  assert.equal(alices.content, 'Hello');
  assert.deepEqual(alices.scopes, ['read-write']);

  alices.append(', world');
  await bobs.expectText('Hello, world');
  await editor.expectText('Hello, world');
  await alices.saved();
  assert.equal(await storedText(document), 'Hello, world');

  editor.append('!');
  await alices.expectText('Hello, world!');
  const edit = `mutation ($id: ID!, $content: String!) { updateDocument(id: $id, content: $content) { version } }`;
  data(await bob.run(edit, { id: document, content: '« Hello, world! »' }));
  await alices.expectText('« Hello, world! »');
  await bobs.expectText('« Hello, world! »');
});

test('thirty documents share one socket and one connection slot', async (t) => {
  const ids = [];
  for (let number = 0; number < 30; number += 1) ids.push(await shared(`Text ${number}`));
  const page = pageOf(t, bob);
  const documents = await Promise.all(ids.map((id) => page.open(id)));
  // One session has all of them open.
  const sessions = await Promise.all(ids.map((id) => presentSessions(bob, id)));
  assert.equal(new Set(sessions.flat()).size, 1);
  assert.deepEqual(documents.map(({ content }) => content), ids.map((_id, number) => `Text ${number}`));

  for (const document of documents) document.append('.');
  for (const document of documents) await document.saved();
  assert.deepEqual(await Promise.all(ids.map(storedText)), ids.map((_id, number) => `Text ${number}.`));

  // One of them is closed, and the others are not.
  documents[0].provider.detach();
  const alices = await pageOf(t, alice).open(ids[0]);
  await until('Bob has left', () => alices.provider.awareness.getStates().size === 1);
  documents[1].append('!');
  await documents[1].saved();
  assert.equal(await storedText(ids[1]), 'Text 1.!');
  documents[0].provider.attach();
  await until('The document is open again', () => alices.provider.awareness.getStates().size === 2);
});

test('a page that opens more documents than the rate allows has all of them after a while', async (t) => {
  const slow = await Server.start({ env: { COSCRIBE__LIMITS__OPERATIONS_PER_SECOND: '10' } });
  t.after(() => slow.stop());
  const carol = await Person.register(slow, 'Carol');
  const names = [];
  for (let number = 0; number < 20; number += 1) {
    const operation = 'mutation ($key: String!) { createDocument(title: "Many", content: "Here", key: $key) { id } }';
    const created = await until('The document is created', async () => {
      return (await carol.run(operation, { key: `many/${number}` })).data?.createDocument;
    });
    // Half of them by their keys, which are looked up first.
    names.push(number % 2 === 0 ? created.id : `many/${number}`);
  }
  const page = pageOf(t, carol);
  const documents = await Promise.all(names.map((name) => page.open(name)));
  for (const document of documents) {
    assert.equal(document.content, 'Here');
    assert.deepEqual(document.denials, []);
  }
});

test('documents are opened by their keys, and one that does not exist is denied', async (t) => {
  const operation = 'mutation ($key: String!) { createDocument(title: "Wiki", content: "By key", key: $key) { id } }';
  const create = async (key) => data(await alice.run(operation, { key })).createDocument.id;
  const [first, second] = [await create('wiki/first'), await create('wiki/second')];
  const page = pageOf(t, alice);
  // The messages behind a key wait until it is looked up.
  const documents = await Promise.all(['wiki/first', 'wiki/second', await shared('By id')].map((name) => page.open(name)));
  assert.deepEqual(documents.map(({ content }) => content), ['By key', 'By key', 'By id']);
  for (const document of documents) document.append('.');
  for (const document of documents) await document.saved();
  assert.deepEqual([await storedText(first), await storedText(second)], ['By key.', 'By key.']);
  // The same document under its id is open already.
  const again = await page.open(first, { sync: false });
  await until('The second provider is denied', () => again.denials.length > 0);
  assert.match(again.denials[0], /open on this socket already/);

  // Bob does not learn which of the keys exists.
  const bobs = pageOf(t, bob);
  const names = ['wiki/third', 'wiki/fourth', 'wiki/first'];
  const denied = await Promise.all(names.map((name) => bobs.open(name, { sync: false })));
  await until('All are denied', () => denied.every(({ denials }) => denials.length > 0));
  for (const { denials } of denied) assert.deepEqual(denials, denied[0].denials);
});

test('awareness has the identity that the server knows', async (t) => {
  const document = await shared();
  const alices = await pageOf(t, alice).open(document);
  const bobs = await pageOf(t, bob).open(document);
  bobs.provider.setAwarenessField('user', { name: 'Alice', color: 'red' });
  bobs.provider.setAwarenessField('mood', 'good');
  const state = await until('Alice sees Bob', () => {
    const states = [...alices.provider.awareness.getStates()];
    return states.find(([client, { mood }]) => client === bobs.doc.clientID && mood)?.[1];
  });
  assert.equal(state.user.name, 'Bob');
  assert.equal(state.user.id, bob.id);
});

test('stateless messages reach the others who have the document open, and nobody else', async (t) => {
  const [document, other] = [await shared(), await shared()];
  const alices = await pageOf(t, alice).open(document);
  const page = pageOf(t, bob);
  const [bobs, elsewhere] = [await page.open(document), await page.open(other)];
  alices.provider.sendStateless('coscribe:{"type":"saved","version":1}');
  alices.provider.sendStateless('x'.repeat(20_000));
  alices.provider.sendStateless('Lunch?');
  await until('Bob is asked', () => bobs.stateless.length > 0);
  assert.deepEqual(bobs.stateless, ['Lunch?']);
  assert.deepEqual(elsewhere.stateless, []);
  await until('Alice is told', () => alices.told.length === 2);
  const [first, second] = alices.told;
  assert.match(first.message, /only the server/);
  assert.match(second.message, /too long/);
});

test('a reader is told so, and when that changes', async (t) => {
  const document = await shared('Hello', 'VIEW');
  const bobs = await pageOf(t, bob).open(document);
  assert.deepEqual(bobs.scopes, ['readonly']);
  await bobs.saved();
  bobs.append('!');
  await until('The change is refused', () => bobs.told.some(({ type }) => type === 'notice'));
  assert.match(bobs.told[0].message, /not change it/);
  assert.ok(bobs.provider.hasUnsyncedChanges);

  await grant(alice, document, 'EDIT', bob.email);
  await until('Bob may edit', () => bobs.scopes.at(-1) === 'read-write');
  bobs.append('?');
  await bobs.saved();
  assert.equal(await storedText(document), 'Hello!?');
  await grant(alice, document, 'VIEW', bob.email);
  await until('Bob may not edit', () => bobs.scopes.at(-1) === 'readonly');
});

test('the deletion of a reader is refused like an insertion, and stays unsaved when the provider asks again', async (t) => {
  const document = await shared('Hello', 'VIEW');
  const alices = await pageOf(t, alice).open(document);
  const bobs = await pageOf(t, bob).open(document);
  await bobs.saved();
  bobs.text.delete(0, 1);
  await until('The deletion is refused', () => bobs.told.some(({ type }) => type === 'notice'));
  assert.match(bobs.told[0].message, /not change it/);
  assert.equal(bobs.provider.unsyncedChanges, 1);

  bobs.provider.isSynced = false;
  bobs.provider.forceSync();
  await until('The provider is answered', () => bobs.provider.isSynced);
  // An acknowledgement would arrive before the change of Alice.
  alices.append('!');
  await until('Bob receives the change of Alice', () => bobs.content.endsWith('!'));
  assert.equal(bobs.provider.unsyncedChanges, 1);

  await grant(alice, document, 'EDIT', bob.email);
  await until('Bob may edit', () => bobs.scopes.at(-1) === 'read-write');
  bobs.append('?');
  await bobs.saved();
  assert.equal(await storedText(document), 'ello!?');
});

test('a reader whose page has a copy of the document is told that everything is stored', async (t) => {
  const document = await shared('Hello', 'VIEW');
  const alices = await pageOf(t, alice).open(document);
  alices.text.delete(0, 1);
  await alices.saved();
  const copy = Y.encodeStateAsUpdate(alices.doc);
  const bobs = await pageOf(t, bob).open(document, { sync: false });
  Y.applyUpdate(bobs.doc, copy, 'offline copy');
  await until('The provider is synced', () => bobs.provider.isSynced);
  await bobs.saved();
  assert.deepEqual(bobs.told, []);

  // What the document does not have is refused, deletions included.
  const changed = new Y.Doc();
  Y.applyUpdate(changed, copy);
  changed.getText('content').delete(0, 1);
  const again = await pageOf(t, bob).open(document, { sync: false });
  Y.applyUpdate(again.doc, Y.encodeStateAsUpdate(changed), 'offline copy');
  await until('The change is refused', () => again.told.some(({ type }) => type === 'notice'));
  assert.ok(again.provider.hasUnsyncedChanges);
});

test('a document ends without the others when its access is revoked or it is deleted', async (t) => {
  const [kept, revoked, deleted] = [await shared(), await shared(), await shared()];
  const page = pageOf(t, bob);
  const documents = [await page.open(kept), await page.open(revoked), await page.open(deleted)];
  await revoke(alice, revoked, bob.id);
  await until('The access has ended', () => documents[1].closes.length === 1);
  assert.match(documents[1].denials[0], /no access/);
  await deleteDocument(alice, deleted);
  await until('The document is gone', () => documents[2].closes.length === 1);
  assert.match(documents[2].denials[0], /deleted/);

  documents[0].append('still here');
  await documents[0].saved();
  assert.equal(await storedText(kept), 'still here');
  assert.deepEqual(documents[0].closes, []);
});

test('documents that cannot be opened are refused with a reason', async (t) => {
  const document = await shared('', null);
  const page = pageOf(t, bob);
  for (const name of [document, 'no-such-document', '01a208b5-d5bd-7733-8fcc-dd548f3cdcdb']) {
    const refused = await page.open(name, { sync: false });
    await until(`The document ${name} is refused`, () => refused.denials.length > 0);
    assert.match(refused.denials[0], /does not exist, or you have no access/);
  }
  const twice = await pageOf(t, alice);
  await twice.open(document, { sessionAwareness: true });
  const second = await twice.open(document, { sessionAwareness: true, sync: false });
  await until('The second one is refused', () => second.denials.length > 0);
  assert.match(second.denials[0], /open on this socket already/);
});

test('a token is checked before anything is opened, and another one may follow', async (t) => {
  const document = await shared('Hello');
  let token = 'no token';
  const page = pageOf(t, bob);
  const bobs = await page.open(document, { sync: false, token: () => token });
  await until('The token is refused', () => bobs.denials.length > 0);
  assert.equal(bobs.denials[0], 'Invalid token');
  assert.equal(bobs.content, '');
  token = bob.token;
  await bobs.provider.onOpen();
  await bobs.expectText('Hello');

  const none = await pageOf(t, bob).open(document, { sync: false, token: '' });
  await until('No token is refused', () => none.denials.length > 0);
  assert.equal(none.denials[0], 'Missing authentication token');

  // One socket belongs to one user.
  const alices = await page.open(await shared(), { sync: false, token: alice.token });
  await until('The other user is refused', () => alices.denials.length > 0);
  assert.match(alices.denials[0], /another user/);
});

test('a page that asks for it is told the version that has its updates', async (t) => {
  const document = await shared();
  const alices = await pageOf(t, alice, { query: '?saved=true' }).open(document);
  alices.append('Hello');
  await alices.saved();
  const { version, content } = await readDocument(alice, document);
  assert.equal(content, 'Hello');
  assert.deepEqual(alices.told.at(-1), { type: 'saved', version });
});

for (const options of [{}, { flushDelay: 20 }]) {
  test(`a provider shows unsaved changes exactly until they are stored, over breaks and kills, with ${JSON.stringify(options)}`, async (t) => {
    const document = await shared();
    const alices = await pageOf(t, alice).open(document, options);
    const { provider, page } = alices;
    let wrong = 0;
    // Whenever the provider says that all is saved, the database has the text of that moment.
    const checks = [];
    provider.on('unsyncedChanges', ({ number }) => {
      if (number > 0) return;
      const state = Y.encodeStateAsUpdate(alices.doc);
      checks.push(
        until('The server answers', async () => {
          const query = 'query ($id: ID!) { exportDocument(documentId: $id) { update } }';
          const answer = await alice.run(query, { id: document }).catch(() => undefined);
          return answer?.data?.exportDocument;
        }).then(({ update }) => {
          const stored = new Y.Doc();
          Y.applyUpdate(stored, Buffer.from(update, 'base64'));
          const before = Y.encodeStateVector(stored);
          const text = stored.getText('content').toString();
          Y.applyUpdate(stored, state);
          const hasAll = Buffer.compare(Y.encodeStateVector(stored), before) === 0;
          if (!hasAll || stored.getText('content').toString() !== text) wrong += 1;
        }),
      );
    });
    for (let round = 0; round < 6; round += 1) {
      for (let number = 0; number < 5; number += 1) alices.append(`${round}.${number} `);
      if (round % 2 === 1) alices.text.delete(0, 3);
      if (round % 3 === 0) await alices.saved();
      if (round % 3 === 1) page.interrupt();
      if (round % 3 === 2) {
        await server.end({ kill: true });
        alices.append('offline ');
        alices.text.delete(0, 1);
        assert.ok(provider.hasUnsyncedChanges);
        await server.launch();
      }
    }
    await alices.saved();
    await Promise.all(checks);
    assert.equal(wrong, 0);
    assert.ok(checks.length > 0);
    assert.equal(await storedText(document), alices.content);
  });
}

test('every document whose token is refused is told so', async (t) => {
  const page = pageOf(t, bob);
  const documents = [];
  for (const token of ['no token', 'no token', 'another one']) {
    documents.push(await page.open(await shared(), { sync: false, token }));
  }
  for (const { denials } of documents) await until('The document is refused', () => denials.length > 0);
  assert.deepEqual(documents.map(({ denials }) => denials[0]), Array(3).fill('Invalid token'));
});

test('the provider is asked for another token before the newest expires', async (t) => {
  const warning = { COSCRIBE__SESSION__WARN_BEFORE_EXPIRY: '58s', COSCRIBE__AUTH__TOKEN_LIFE: '60s' };
  const brief = await Server.start({ env: warning });
  t.after(() => brief.stop());
  const carol = await Person.register(brief, 'Carol');
  const { id } = await createDocument(carol, 'Brief', 'Hello');
  const asked = [];
  const page = pageOf(t, carol);
  const document = await page.open(id, {
    token: async () => {
      if (asked.length > 0) carol.token = data(await carol.run('mutation { refreshToken { token } }')).refreshToken.token;
      asked.push(carol.token);
      return carol.token;
    },
  });
  const first = page.socket.webSocket;
  await until('A third token is sent', () => asked.length >= 3);
  assert.equal(page.socket.webSocket, first, 'the socket stays open');
  document.append('!');
  await document.saved();
});

test('a document that is closed and opened again at once has what was just typed', async (t) => {
  const id = await shared();
  const page = pageOf(t, bob);
  let typed = '';
  for (let round = 0; round < 10; round += 1) {
    const document = await page.open(id);
    await document.expectText(typed);
    document.append(`${round} `);
    typed += `${round} `;
    document.provider.destroy();
  }
  await (await page.open(id)).expectText(typed);
  assert.equal(await storedText(id), typed);
});

test('what was typed is stored although the socket closes before the document is open', async () => {
  for (let round = 0; round < 10; round += 1) {
    const id = await shared();
    const socket = await openSocket(bob, await shared());
    sendText(socket, id, 'typed offline');
    socket.close();
    await until('It is stored', async () => (await storedText(id)) === 'typed offline');
  }
});

test('what was typed in a document that is closed twice at once is stored in its order', async () => {
  const typed = new Y.Doc();
  const words = ['one ', 'two ', 'three '].map((word) => {
    const before = Y.encodeStateVector(typed);
    typed.getText('content').insert(typed.getText('content').length, word);
    return Y.encodeStateAsUpdate(typed, before);
  });
  for (let round = 0; round < 10; round += 1) {
    const id = await shared();
    const socket = await openSocket(bob, await shared());
    for (const update of words) {
      socket.send(frame(id, AUTHENTICATION, [TOKEN], bob.token));
      socket.send(frame(id, SYNC, [UPDATE], update));
      socket.send(frame(id, CLOSE, []));
    }
    socket.close();
    await until('It is stored', async () => (await storedText(id)) === 'one two three ');
  }
});

test('what a user types into a document of somebody else is not stored when the socket closes', async () => {
  const ids = await Promise.all([shared('', 'VIEW'), shared('', null)]);
  const own = (await createDocument(bob, 'Own', '')).id;
  const socket = await openSocket(bob, await shared());
  // The last document is Bob's own: when its text is stored, the others have been refused.
  for (const id of [...ids, own]) sendText(socket, id, 'typed');
  socket.close();
  await until('It is stored', async () => (await readDocument(bob, own)).content === 'typed');
  assert.deepEqual(await Promise.all(ids.map(storedText)), ['', '']);
});

test('the documents of a page may have tokens of their own', async (t) => {
  const page = pageOf(t, bob);
  const ids = [await shared('one'), await shared('two'), await shared('three')];
  const refresh = async () => data(await bob.run('mutation { refreshToken { token } }')).refreshToken.token;
  const documents = await Promise.all(ids.map((id) => page.open(id, { token: refresh })));
  assert.deepEqual(documents.map(({ content }) => content), ['one', 'two', 'three']);
  documents[1].append('!');
  await documents[1].saved();
  assert.equal(await storedText(ids[1]), 'two!');

  const another = pageOf(t, bob);
  const tokens = await Promise.all(ids.map(refresh));
  const opened = await Promise.all(ids.map((id, index) => another.open(id, { token: tokens[index] })));
  assert.deepEqual(opened.map(({ content }) => content), ['one', 'two!', 'three']);
});

test('an ordinary request to the address of the provider is told what it is for', async () => {
  const answer = await fetch(`${server.url}/collab`);
  assert.equal(answer.status, 400);
  assert.match((await answer.json()).errors[0].message, /HocuspocusProvider/);
});

test('the example of the guide for pages of Hocuspocus opens a document', async (t) => {
  const guide = readFileSync(new URL('../../docs/FROM-HOCUSPOCUS.md', import.meta.url), 'utf8');
  const [, example] = /```js\n([^]*?)```/.exec(guide);
  const mutation = 'mutation { createDocument(title: "Start", key: "wiki/start", content: "Hello") { id } }';
  data(await alice.run(mutation));
  const names = ['HocuspocusProviderWebsocket', 'HocuspocusProvider', 'doc', 'fetchToken'];
  const run = new Function(...names, `${example}; return { socket, provider };`);
  class Socket extends HocuspocusProviderWebsocket {
    constructor({ url }) {
      assert.equal(new URL(url).pathname, '/collab');
      super({ url: server.url.replace('http', 'ws') + '/collab', WebSocketPolyfill: WebSocket });
    }
  }
  const doc = new Y.Doc();
  const { socket, provider } = run(Socket, HocuspocusProvider, doc, () => alice.token);
  t.after(() => {
    provider.destroy();
    socket.destroy();
  });
  await until('The document is there', () => doc.getText('content').toString() === 'Hello');
});
