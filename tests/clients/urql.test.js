// urql: queries by GET and mutations by POST over its fetchExchange, subscriptions over graphql-ws, and its document cache,
// which fetches queries again when a mutation returns an object of a type that they have.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { cacheExchange, Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { createDocument, grant, rename, revoke } from './support/documents.js';
import { within } from './support/patience.js';
import { Person } from './support/person.js';
import { Server } from './support/server.js';
import { Stream } from './support/stream.js';

const DOCUMENT = gql`
  query Document($id: ID!) {
    document(id: $id) {
      id
      title
      version
    }
  }
`;
const UPDATE = gql`
  mutation Update($id: ID!, $title: String, $content: String, $baseVersion: Int) {
    updateDocument(id: $id, title: $title, content: $content, baseVersion: $baseVersion) {
      id
      title
      version
    }
  }
`;
const CHANGES = gql`
  subscription Changes($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) {
      kind
      version
      title
      author {
        id
        name
      }
    }
  }
`;

let server, alice, bob;

before(async () => {
  server = await Server.start();
  [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Creates a client with the exchanges of a typical application. It closes at the end of the test. */
function urql(t, person, { preferGetMethod = false, requests = [] } = {}) {
  const socket = createClient({
    url: server.socket,
    webSocketImpl: WebSocket,
    connectionParams: { authToken: person.token },
    retryAttempts: 0,
  });
  t.after(() => socket.dispose());
  return new Client({
    url: server.graphql,
    preferGetMethod,
    fetchOptions: { headers: { authorization: `Bearer ${person.token}` } },
    fetch: (address, options) => {
      requests.push(options.method);
      return fetch(address, options);
    },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
}

const answered = (promise) => within(promise, 'urql has the answer');

async function sharedDocument() {
  const { id } = await createDocument(alice, 'Project Alpha', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  return id;
}

test('queries are sent by GET or POST, and mutations by POST', async (t) => {
  const id = await sharedDocument();
  for (const [preferGetMethod, expected] of [
    [false, ['POST', 'POST']],
    ['force', ['GET', 'POST']],
  ]) {
    const requests = [];
    const client = urql(t, alice, { preferGetMethod, requests });
    const { data, error } = await answered(client.query(DOCUMENT, { id }).toPromise());
    assert.ifError(error);
    assert.equal(data.document.id, id);
    const updated = await answered(client.mutation(UPDATE, { id, title: 'Project Beta' }).toPromise());
    assert.ifError(updated.error);
    assert.deepEqual(requests, expected);
  }
});

test('a query is fetched again after a mutation of what it shows', async (t) => {
  const id = await sharedDocument();
  const client = urql(t, alice);
  const titles = new Stream('The query');
  const watch = client.query(DOCUMENT, { id }).subscribe(({ data, stale }) => {
    if (!stale) titles.push(data.document.title);
  });
  t.after(() => watch.unsubscribe());
  assert.equal(await titles.next(), 'Project Alpha');

  const { data, error } = await answered(client.mutation(UPDATE, { id, title: 'Project Beta' }).toPromise());

  assert.ifError(error);
  assert.equal(data.updateDocument.title, 'Project Beta');
  assert.equal(await titles.next(), 'Project Beta');
});

test('a subscription delivers changes, and its end is a GraphQL error with a code', async (t) => {
  const id = await sharedDocument();
  const client = urql(t, bob);
  const changes = new Stream('The subscription');
  const handle = client.subscription(CHANGES, { id, since: 1 }).subscribe(({ data, error }) => {
    if (error) changes.finish(error);
    else changes.push(data.documentChanged);
  });
  t.after(() => handle.unsubscribe());
  await rename(alice, id, 'Renamed');

  const change = await changes.next();
  assert.deepEqual([change.kind, change.title, change.author.name], ['RENAMED', 'Renamed', 'Alice']);

  await revoke(alice, id, bob.id);
  const ended = await changes.end();
  assert.equal(ended.graphQLErrors[0].extensions.code, 'FORBIDDEN');
});

test('a refusal is a GraphQL error with a code', async (t) => {
  const id = await sharedDocument();
  const head = await rename(alice, id, 'Newer');
  const client = urql(t, bob);

  const variables = { id, content: 'Early', baseVersion: head + 1 };
  const { error } = await answered(client.mutation(UPDATE, variables).toPromise());

  assert.equal(error.graphQLErrors[0].extensions.code, 'BAD_USER_INPUT');
  assert.equal(error.graphQLErrors[0].extensions.head, head);
});
