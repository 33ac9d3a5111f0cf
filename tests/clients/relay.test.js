// Relay: its compiler accepts the schema, with connections and refetchable fragments, and its store identifies objects by
// `id`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { createDocument, grant, rename } from './support/documents.js';
import { within } from './support/patience.js';
import { Person } from './support/person.js';
import { compileOperations, mutate, query, readStore, relayEnvironment, subscribe } from './support/relay.js';
import { Server } from './support/server.js';
import { Stream } from './support/stream.js';

let server, alice, bob, operations;

before(async () => {
  [server, operations] = await Promise.all([Server.start(), compileOperations()]);
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Creates the environment of a person, which closes at the end of the test. */
function relayOf(t, person) {
  const socket = createClient({
    url: server.socket,
    webSocketImpl: WebSocket,
    connectionParams: { authToken: person.token },
    retryAttempts: 0,
  });
  t.after(() => socket.dispose());
  return relayEnvironment(person, socket);
}

const answered = (promise) => within(promise, 'Relay has the answer');

test('the compiler accepts queries, mutations, subscriptions, connections and refetchable fragments', () => {
  assert.deepEqual(Object.keys(operations).sort(), [
    'ClientChangesSubscription',
    'ClientDocumentsQuery',
    'ClientHistoryQuery',
    'ClientNodeQuery',
    'ClientRefetchQuery',
    'ClientRenameMutation',
  ]);
});

test('a connection grows page by page, and a mutation updates its documents', async (t) => {
  const created = [];
  for (const title of ['One', 'Two', 'Three', 'Four', 'Five']) created.unshift((await createDocument(alice, title)).id);
  const environment = relayOf(t, alice);

  let after = null;
  let connection;
  for (const length of [2, 4, 5]) {
    const variables = { first: 2, after };
    ({ documents: connection } = await answered(query(environment, operations.ClientDocumentsQuery, variables)));
    assert.equal(connection.edges.length, length);
    assert.equal(connection.pageInfo.hasNextPage, length < 5);
    after = connection.pageInfo.endCursor;
  }

  assert.deepEqual(connection.edges.map(({ node }) => node.id), created);
  assert.equal(connection.edges[0].node.owner.name, 'Alice');
  await answered(mutate(environment, operations.ClientRenameMutation, { id: created[4], title: 'First' }));
  const { documents } = readStore(environment, operations.ClientDocumentsQuery, { first: 2, after });
  assert.equal(documents.edges[4].node.title, 'First');
});

test('the history is a connection', async (t) => {
  const { id } = await createDocument(alice, 'Minutes', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  await rename(bob, id, 'Agenda');
  const environment = relayOf(t, alice);
  let after = null;
  let edges;
  for (const length of [1, 2]) {
    const variables = { document: id, first: 1, after };
    const { documentHistory } = await answered(query(environment, operations.ClientHistoryQuery, variables));
    edges = documentHistory.edges;
    assert.equal(edges.length, length);
    after = documentHistory.pageInfo.endCursor;
  }
  assert.deepEqual(edges.map(({ node }) => node.author.name), ['Bob', 'Alice']);
});

test('objects are fetched again by their ids', async (t) => {
  const { id } = await createDocument(alice, 'Plan', 'Hello');
  const environment = relayOf(t, alice);
  const find = async (id) => (await answered(query(environment, operations.ClientNodeQuery, { id }))).node;

  const document = await find(id);
  assert.deepEqual([document.__typename, document.id, document.title], ['Document', id, 'Plan']);
  const user = await find(alice.id);
  assert.deepEqual([user.__typename, user.id, user.name], ['User', alice.id, 'Alice']);
  assert.equal(await find(bob.id), null);

  // The query that the compiler made for the fragment.
  await rename(alice, id, 'Plan B');
  await answered(query(environment, operations.ClientRefetchQuery, { id }));
  assert.equal(readStore(environment, operations.ClientNodeQuery, { id }).node.title, 'Plan B');
});

test('a subscription delivers changes', async (t) => {
  const { id, version } = await createDocument(alice, 'Notes', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  const changes = new Stream('ClientChangesSubscription');
  const environment = relayOf(t, alice);
  const variables = { id, since: version };
  const handle = subscribe(environment, operations.ClientChangesSubscription, variables, changes);
  t.after(() => handle.dispose());

  await rename(bob, id, 'Renamed');

  const { documentChanged } = await changes.next();
  assert.deepEqual([documentChanged.kind, documentChanged.title], ['RENAMED', 'Renamed']);
  assert.equal(documentChanged.author.name, 'Bob');
});
