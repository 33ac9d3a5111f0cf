// How Yjs editors with the unmodified y-websocket provider show who their user is, and learn why they are refused.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import { createDocument, readDocument } from './support/documents.js';
import { Editor } from './support/editor.js';
import { until } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';

const SECRET = 'a secret that the tests share with the server, to sign expired tokens';

let server, alice;

before(async () => {
  server = await Server.start({ env: { JWT_SECRET: SECRET } });
  alice = await Person.register(server, 'Alice');
});
after(() => server.stop());

async function open(t, document, options) {
  const editor = await Editor.open(alice, document, options);
  t.after(() => editor.close());
  return editor;
}

/** Offers a token as a subprotocol, and shows nothing in the address. */
const offering = (token) => ({ shows: {}, protocols: ['coscribe', `bearer.${token}`] });

/** Shows a ticket in the address. */
const showing = (ticket) => ({ shows: { ticket } });

/** Returns a token of `person` that has expired. */
function expiredToken(person) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const unsigned = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: person.id, iat: now - 60, exp: now - 30 })}`;
  return `${unsigned}.${createHmac('sha256', SECRET).update(unsigned).digest('base64url')}`;
}

async function createTicket(document) {
  const mutation = 'mutation ($id: ID!) { createTicket(documentId: $id) { ticket expiresAt } }';
  return data(await alice.run(mutation, { id: document })).createTicket.ticket;
}

/** Signs in once more. Returns a token whose sign-in has ended. */
async function signedOutToken() {
  const mutation = 'mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }';
  const { token } = data(await alice.run(mutation, { email: alice.email, password: 'Alice likes long passwords' })).login;
  data(await new Person(server, { ...alice, token }).run('mutation { signOut }'));
  return token;
}

test('a token that is offered as a subprotocol is accepted and not repeated', async (t) => {
  const { id } = await createDocument(alice, 'Together', 'Hello');
  const editor = await open(t, id, offering(alice.token));
  assert.equal(editor.provider.ws.protocol, 'coscribe');
  assert.ok(!editor.provider.url.includes(alice.token));
  editor.append(', world');
  await until('The edit is stored', async () => (await readDocument(alice, id)).content === 'Hello, world');
});

for (const [what, token, reason] of [
  ['no token', undefined, 'Missing authentication token'],
  ['a token that is none', () => 'nonsense', 'Invalid token'],
  ['an expired token', () => expiredToken(alice), 'Token expired'],
  ['a token whose sign-in has ended', signedOutToken, 'Signed out; sign in again'],
]) {
  test(`an editor with ${what} is told so once, and then goes on with a valid one`, async (t) => {
    const { id } = await createDocument(alice, 'Together', 'Hello');
    const shown = await token?.();
    const editor = await open(t, id, { ...(shown ? offering(shown) : { shows: {} }), sync: false });
    const closed = await editor.expectClose();
    assert.deepEqual([closed.code, closed.reason], [4403, reason]);
    assert.equal(editor.provider.shouldConnect, false);

    editor.provider.protocols = offering(alice.token).protocols;
    editor.provider.connect();
    await editor.synced();
    assert.equal(editor.content, 'Hello');
  });
}

test('a ticket opens its document once, and each connection takes another one', async (t) => {
  const { id } = await createDocument(alice, 'Together', 'Hello');
  const ticket = await createTicket(id);
  const editor = await open(t, id, showing(ticket));
  assert.equal(editor.content, 'Hello');

  // The connection is lost, and the provider comes back with the same address.
  const closed = editor.expectClose();
  editor.provider.ws.close();
  const { code, reason } = await closed;
  assert.deepEqual([code, reason], [4403, 'Ticket used before; get another one']);

  editor.append(', offline');
  editor.provider.params.ticket = await createTicket(id);
  editor.provider.connect();
  await until('The edit is stored', async () => (await readDocument(alice, id)).content === 'Hello, offline');
});

test('a ticket for another document is refused', async (t) => {
  const [{ id }, other] = [await createDocument(alice, 'Together'), await createDocument(alice, 'Other')];
  const editor = await open(t, id, { ...showing(await createTicket(other.id)), sync: false });
  const closed = await editor.expectClose();
  assert.deepEqual([closed.code, closed.reason], [4403, 'Invalid ticket; get one for this document']);
});
