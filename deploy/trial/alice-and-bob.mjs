// Alice and Bob use a cluster through its load balancer: they edit, move cursors, connect and disconnect, and Alice
// revokes Bob's access. Exits with 0 if both receive what they should from every node, and prints the latencies.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const base = process.env.COSCRIBE ?? 'http://localhost:8080';
const EDITS = 200;

async function ask(token, query, variables) {
  const response = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

async function register(name) {
  const email = `${name.toLowerCase()}-${randomBytes(6).toString('hex')}@example.org`;
  const { register } = await ask(
    undefined,
    `mutation ($email: String!, $name: String!, $password: String!) {
       register(email: $email, name: $name, password: $password) { token account { id } } }`,
    { email, name, password: randomBytes(12).toString('hex') },
  );
  return { name, email, id: register.account.id, token: register.token };
}

/** Opens a socket with the three subscriptions to a document, and records which node serves it. */
async function open(person, documentId) {
  const tab = { node: undefined, session: undefined, changes: [], cursors: [], presence: [], ended: undefined };
  class Noting extends WebSocket {
    constructor(...args) {
      super(...args);
      this.on('upgrade', (response) => (tab.node = response.headers['x-served-by']));
    }
  }
  tab.client = createClient({
    url: `${base.replace('http', 'ws')}/graphql`,
    webSocketImpl: Noting,
    lazy: false,
    connectionParams: { authToken: person.token },
    on: { connected: (_socket, ack) => (tab.session = ack.sessionId) },
  });
  const listen = (query, into, field) =>
    tab.client.subscribe(
      { query, variables: { id: documentId } },
      {
        next: ({ data }) => into.push({ ...data[field], heardAt: performance.now() }),
        error: (error) => (tab.ended = error),
        complete: () => (tab.ended ??= 'complete'),
      },
    );
  listen('subscription ($id: ID!) { presenceUpdated(documentId: $id) { kind presence { sessionId user { name } } } }', tab.presence, 'presenceUpdated');
  listen('subscription ($id: ID!) { documentChanged(documentId: $id) { version content author { name } } }', tab.changes, 'documentChanged');
  listen('subscription ($id: ID!) { cursorMoved(documentId: $id) { sessionId user { name } cursor { line column } } }', tab.cursors, 'cursorMoved');
  await until('the socket to open', () => tab.session);
  return tab;
}

async function until(what, holds) {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`timed out after 10 s waiting for ${what}`);
    await pause(5);
  }
}

const percentile = (times, part) => [...times].sort((a, b) => a - b)[Math.ceil(times.length * part) - 1].toFixed(1);

const [alice, bob] = [await register('Alice'), await register('Bob')];
const { createDocument } = await ask(
  alice.token,
  'mutation { createDocument(title: "Trial", content: "Welcome.") { id } }',
);
const id = createDocument.id;
await ask(
  alice.token,
  'mutation ($id: ID!, $email: String!) { grantAccess(documentId: $id, level: EDIT, email: $email) { level } }',
  { id, email: bob.email },
);

// Open tabs for Bob until there are two and both nodes serve a socket.
const tabs = [await open(alice, id)];
const nodes = () => new Set(tabs.map((tab) => tab.node));
while (tabs.length < 8 && (nodes().size < 2 || tabs.length < 3)) tabs.push(await open(bob, id));
assert.equal(nodes().size, 2, `the balancer must use both nodes; it used ${[...nodes()]}`);
const [alices, ...bobs] = tabs;
const present = async () =>
  (await ask(alice.token, 'query ($id: ID!) { documentPresence(documentId: $id) { sessionId } }', { id }))
    .documentPresence.map((entry) => entry.sessionId)
    .sort();
const everybody = JSON.stringify(tabs.map((tab) => tab.session).sort());
await until('the presence list to name every tab', async () => JSON.stringify(await present()) === everybody);
console.log(`Alice and Bob have ${tabs.length} tabs open on ${nodes().size} nodes`);

// Alice edits over HTTP, on the node that the balancer picks; every tab of Bob receives each edit.
const sent = new Map();
for (let edit = 0; edit < EDITS; edit += 1) {
  const begun = performance.now();
  const { editDocument } = await ask(
    alice.token,
    `mutation ($id: ID!, $name: ID!) {
       editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: "." }], mutationId: $name) { version } }`,
    { id, name: `edit ${edit}` },
  );
  sent.set(editDocument.version, begun);
}
await until('every change to reach every tab', () => bobs.every((tab) => tab.changes.length >= EDITS));
const times = [];
for (const tab of bobs) {
  assert.deepEqual(tab.changes.map((change) => change.version), [...sent.keys()], 'each change once, in order');
  for (const change of tab.changes) times.push(change.heardAt - sent.get(change.version));
}
const texts = new Set(bobs.map((tab) => tab.changes.at(-1).content));
assert.deepEqual([...texts], [`${'.'.repeat(EDITS)}Welcome.`]);
console.log(`${EDITS} edits, ${times.length} deliveries; latency from request to delivery: p50 ${percentile(times, 0.5)} ms, p99 ${percentile(times, 0.99)} ms`);

// Move cursors over HTTP, for sockets that may be on the other node.
for (const tab of bobs) {
  const heard = alices.cursors.length;
  const response = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${bob.token}`, 'X-Session-Id': tab.session },
    body: JSON.stringify({
      query: 'mutation ($id: ID!) { updateCursor(documentId: $id, cursor: { line: 0, column: 3 }) }',
      variables: { id },
    }),
  });
  assert.deepEqual((await response.json()).data, { updateCursor: true });
  await until("Bob's cursor to reach Alice", () => alices.cursors.length > heard);
  assert.equal(alices.cursors.at(-1).sessionId, tab.session);
}
console.log('cursors reach Alice from every node');

const leaver = bobs.pop();
await leaver.client.dispose();
await until("Bob's tab to leave", () =>
  alices.presence.some(({ kind, presence }) => kind === 'LEFT' && presence.sessionId === leaver.session),
);

const revoked = performance.now();
await ask(alice.token, 'mutation ($id: ID!, $user: ID!) { revokeAccess(documentId: $id, userId: $user) }', { id, user: bob.id });
await until("Bob's subscriptions to end", () => bobs.every((tab) => tab.ended));
console.log(`access revoked on all nodes after ${(performance.now() - revoked).toFixed(0)} ms`);
for (const tab of tabs) await tab.client.dispose();
console.log('all checks passed');
process.exit(0);
