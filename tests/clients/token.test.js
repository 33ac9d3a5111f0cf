// Tokens on a plain WebSocket (`ws`): in the upgrade, in `connection_init`, and in a ping that extends the session.

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

/** Opens a graphql-transport-ws socket. It closes at the end of the test. */
async function connect(t, options) {
  const socket = new WebSocket(server.socket, 'graphql-transport-ws', options);
  t.after(() => socket.terminate());
  await within(once(socket, 'open'), 'The socket opens');
  return socket;
}

/** Sends `message` and returns the next message received. */
async function request(socket, message) {
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
  const ack = await request(socket, { type: 'connection_init', payload: { authToken: alice.token } });
  assert.equal(ack.type, 'connection_ack');
  assertSameSecond(ack.payload.tokenExpiresAt, alice.expiresAt);

  const fresh = data(await alice.run('mutation { refreshToken { token expiresAt } }')).refreshToken;
  const pong = await request(socket, { type: 'ping', payload: { authToken: fresh.token } });
  assert.equal(pong.type, 'pong');
  assertSameSecond(pong.payload.tokenExpiresAt, fresh.expiresAt);
});

test('a ping without a payload is answered with a pong', async (t) => {
  const socket = await connect(t);
  await request(socket, { type: 'connection_init', payload: { authToken: alice.token } });
  assert.equal((await request(socket, { type: 'ping' })).type, 'pong');
});

test('a session authenticated in the upgrade needs no token in connection_init', async (t) => {
  const socket = await connect(t, { headers: { authorization: `Bearer ${alice.token}` } });
  const ack = await request(socket, { type: 'connection_init' });
  assert.equal(ack.type, 'connection_ack');
  assert.equal(ack.payload.userId, alice.id);
});

test('an upgrade with an invalid token is refused with 401', async () => {
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
