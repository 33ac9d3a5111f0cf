// Apollo Client: queries and mutations over HTTP, subscriptions over its GraphQLWsLink, and its normalised cache, which
// identifies objects by `__typename` and `id`.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { createDocument, grant, presentSessions, rename, revoke } from './support/documents.js';
import { until, within } from './support/patience.js';
import { Person } from './support/person.js';
import { Server } from './support/server.js';
import { Stream } from './support/stream.js';

// GraphQLWsLink needs the global WebSocket class to distinguish connection errors from operation errors. Node has it from 22.
globalThis.WebSocket ??= WebSocket;

const DOCUMENT = gql`
  query Document($id: ID!) {
    document(id: $id) {
      id
      title
      content
      version
      owner {
        id
        name
      }
    }
  }
`;
const UPDATE = gql`
  mutation Update($id: ID!, $title: String, $content: String, $baseVersion: Int) {
    updateDocument(id: $id, title: $title, content: $content, baseVersion: $baseVersion) {
      id
      title
      content
      version
    }
  }
`;
const CHANGES = gql`
  subscription Changes($id: ID!) {
    documentChanged(documentId: $id) {
      kind
      version
      title
      content
      author {
        id
        name
      }
    }
  }
`;
const PRESENCE = gql`
  subscription Presence($id: ID!) {
    presenceUpdated(documentId: $id) {
      kind
      presence {
        sessionId
        user {
          id
          name
        }
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

async function sharedDocument() {
  const { id } = await createDocument(alice, 'Project Alpha', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  return id;
}

/** Creates an Apollo client with the links of a typical application. It closes at the end of the test. */
function apollo(t, person) {
  const socket = createClient({
    url: server.socket,
    connectionParams: { authToken: person.token },
    retryAttempts: 0,
  });
  const http = new HttpLink({ uri: server.graphql, headers: { authorization: `Bearer ${person.token}` } });
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    http,
  );
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  t.after(async () => {
    client.stop();
    await socket.dispose();
  });
  return client;
}

/** Updates the document and returns the result. */
function update(client, variables) {
  return within(client.mutate({ mutation: UPDATE, variables }), 'The mutation is answered');
}

/** Subscribes and returns the events as a stream. */
function subscribe(t, client, subscription, document) {
  const stream = new Stream(subscription.definitions[0].name.value);
  const [field] = subscription.definitions[0].selectionSet.selections;
  const handle = client.subscribe({ query: subscription, variables: { id: document } }).subscribe({
    next: ({ data, error }) => (error ? stream.finish(error) : stream.push(data[field.name.value])),
    error: (error) => stream.finish(error),
    complete: () => stream.finish([]),
  });
  t.after(() => handle.unsubscribe());
  return stream;
}

test('a mutation updates a watched query through the normalised cache', async (t) => {
  const id = await sharedDocument();
  const client = apollo(t, alice);

  const titles = new Stream('The watched query');
  const watch = client.watchQuery({ query: DOCUMENT, variables: { id } }).subscribe(({ data, dataState }) => {
    if (dataState === 'complete') titles.push(data.document);
  });
  t.after(() => watch.unsubscribe());
  const first = await titles.next();
  assert.equal(first.title, 'Project Alpha');
  assert.equal(first.owner.name, 'Alice');

  const variables = { id, title: 'Project Beta', content: 'Hello World', baseVersion: first.version };
  const { data } = await update(client, variables);
  assert.ok(data.updateDocument.version > first.version);

  const second = await titles.next();
  assert.deepEqual([second.title, second.content], ['Project Beta', 'Hello World']);
  const cached = client.cache.extract();
  assert.equal(cached[`Document:${id}`].version, data.updateDocument.version);
  assert.equal(cached[`User:${alice.id}`].name, 'Alice');
});

test('a subscription delivers the changes of another user', async (t) => {
  const id = await sharedDocument();
  const client = apollo(t, alice);
  const changes = subscribe(t, client, CHANGES, id);
  let markers = 0;
  await until('Alice receives changes', async () => {
    await rename(bob, id, `Marker ${(markers += 1)}`);
    return !changes.isEmpty;
  });

  const { data } = await update(apollo(t, bob), { id, content: 'Hello World' });

  let change;
  do change = await changes.next();
  while (change.kind === 'RENAMED');
  assert.equal(change.kind, 'EDITED');
  assert.equal(change.version, data.updateDocument.version);
  assert.equal(change.content, 'Hello World');
  assert.equal(change.author.name, 'Bob');
});

test('a subscriber receives the arrival of another client', async (t) => {
  const id = await sharedDocument();
  const alices = subscribe(t, apollo(t, alice), PRESENCE, id);
  await until('Alice is present', async () => (await presentSessions(alice, id)).length === 1);

  subscribe(t, apollo(t, bob), PRESENCE, id);
  const { kind, presence } = await alices.next();
  assert.deepEqual([kind, presence.user.name], ['JOINED', 'Bob']);
});

test('a refusal is a GraphQL error with a code', async (t) => {
  const id = await sharedDocument();
  const client = apollo(t, bob);
  const head = await rename(alice, id, 'Newer');

  const variables = { id, content: 'Early', baseVersion: head + 1 };
  await assert.rejects(update(client, variables), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), `not a GraphQL error: ${error}`);
    assert.equal(error.errors[0].extensions.code, 'BAD_USER_INPUT');
    assert.equal(error.errors[0].extensions.head, head);
    return true;
  });

  const presence = subscribe(t, client, PRESENCE, id);
  await until('Bob is present', async () => (await presentSessions(alice, id)).length === 1);
  await revoke(alice, id, bob.id);
  const error = await presence.end();
  assert.ok(CombinedGraphQLErrors.is(error), `not a GraphQL error: ${error}`);
  assert.equal(error.errors[0].extensions.code, 'FORBIDDEN');
});

test('a client that asks for persisted queries sends their text instead', async (t) => {
  const id = await sharedDocument();
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const statuses = [];
  const http = new HttpLink({
    uri: server.graphql,
    headers: { authorization: `Bearer ${alice.token}` },
    fetch: async (...request) => {
      const response = await fetch(...request);
      statuses.push(response.status);
      return response;
    },
  });
  for (const useGETForHashedQueries of [false, true]) {
    const link = ApolloLink.from([new PersistedQueryLink({ sha256, useGETForHashedQueries }), http]);
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    t.after(() => client.stop());
    for (let round = 0; round < 2; round += 1) {
      const query = { query: DOCUMENT, variables: { id }, fetchPolicy: 'network-only' };
      const { data } = await within(client.query(query), 'The query is answered');
      assert.equal(data.document.title, 'Project Alpha');
    }
  }
  // Asked once for each client, which then sends the text at once.
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200]);
});
