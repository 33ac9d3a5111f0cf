// Tokens on a bare socket (`ws`): a fresh one in a protocol ping makes the session last longer.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { within } from './support/patience.js';
import { data, Person } from './support/person.js';
import { Server } from './support/server.js';

let server, alice;

before(async () => {
  server = await Server.start();
  alice = await Person.register(server, 'Alice');
});
after(() => server.stop());

/** Opens a socket that speaks the protocol; it closes with the test. */
async function connect(t, options) {
  const socket = new WebSocket(server.socket, 'graphql-transport-ws', options);
  t.after(() => socket.terminate());
  await within(once(socket, 'open'), 'The socket opens');
  return socket;
}

/** Sends `message` and returns the next one that comes. */
async function exchange(socket, message) {
  const answer = once(socket, 'message');
  socket.send(JSON.stringify(message));
  const [frame] = await within(answer, `An answer to ${message.type}`);
  return JSON.parse(frame);
}

function assertSameSecond(one, other) {
  const apart = Math.abs(Date.parse(one) - Date.parse(other));
  assert.ok(apart < 1000, `${one} and ${other} are the same second`);
}

test('a fresh token in a ping extends the session', async (t) => {
  const socket = await connect(t);
  const ack = await exchange(socket, { type: 'connection_init', payload: { authToken: alice.token } });
  assert.equal(ack.type, 'connection_ack');
  assertSameSecond(ack.payload.tokenExpiresAt, alice.expiresAt);

  const fresh = data(await alice.ask('mutation { refreshToken { token expiresAt } }')).refreshToken;
  const pong = await exchange(socket, { type: 'ping', payload: { authToken: fresh.token } });
  assert.equal(pong.type, 'pong');
  assertSameSecond(pong.payload.tokenExpiresAt, fresh.expiresAt);
});

test('a ping without a payload is answered', async (t) => {
  const socket = await connect(t);
  await exchange(socket, { type: 'connection_init', payload: { authToken: alice.token } });
  assert.equal((await exchange(socket, { type: 'ping' })).type, 'pong');
});

test('a token in the upgrade needs none in connection_init', async (t) => {
  const socket = await connect(t, { headers: { authorization: `Bearer ${alice.token}` } });
  const ack = await exchange(socket, { type: 'connection_init' });
  assert.equal(ack.type, 'connection_ack');
  assert.equal(ack.payload.userId, alice.id);
});

test('a bad token in the upgrade is refused before it', async () => {
  const headers = { authorization: 'Bearer not.a.token' };
  const socket = new WebSocket(server.socket, 'graphql-transport-ws', { headers });
  const refused = new Promise((resolve, reject) => {
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode);
    });
    socket.on('open', () => reject(new Error('the upgrade was accepted')));
    socket.on('error', reject);
  });
  assert.equal(await within(refused, 'The upgrade is refused'), 401);
});
