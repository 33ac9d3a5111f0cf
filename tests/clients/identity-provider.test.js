// A real OpenID Connect provider (oidc-provider) in front of the server. Users sign in there in Chromium, and their page uses the
// token that it gets.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './support/browser.js';
import { IdentityProvider, signingKey } from './support/identity-provider.js';
import { until } from './support/patience.js';
import { data, Person, refusal } from './support/person.js';
import { Server } from './support/server.js';

const older = signingKey('older', 'RS256');
const newer = signingKey('newer', 'ES256');

let provider, server, browser;

before(async () => {
  provider = await IdentityProvider.start([older]);
  server = await Server.start({ env: provider.settings });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  provider?.stop();
});

/** Signs `name` in at the provider, which then asks whether the page may have a token. Returns the window of the page. */
async function signIn(t, name) {
  const window = await browser.open(`${provider.origin}/`);
  t.after(() => window.close());
  await until(`${name} is signed in`, async () => {
    try {
      return await window.evaluate((name) => {
        if (window.token) return true;
        const form = document.querySelector('form');
        if (!form || form.dataset.isSent) return false;
        form.dataset.isSent = 'true';
        for (const [field, value] of Object.entries({ login: name, password: 'any password' })) {
          if (form.elements[field]) form.elements[field].value = value;
        }
        form.querySelector('button[type=submit]').click();
        return false;
      }, name);
    } catch (error) {
      // Between two pages there is nothing to look at.
      if (/context|detached|navigat/i.test(error.message)) return false;
      throw error;
    }
  });
  // The pages of the provider load fonts from elsewhere.
  window.errors.length = 0;
  return window;
}

/** Runs an operation in the page, over HTTP from its origin. */
function run(window, query, variables = {}) {
  return window.evaluate(
    async (address, query, variables) => {
      const answer = await fetch(address, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${window.token}` },
        body: JSON.stringify({ query, variables }),
      });
      return answer.json();
    },
    server.graphql,
    query,
    variables,
  );
}

/** Subscribes in the page to the changes of a document. Their contents gather in `window.contents`. */
function watch(window, id) {
  return window.evaluate(
    (address, id) =>
      new Promise((resolve, reject) => {
        window.contents = [];
        const socket = new WebSocket(address, 'graphql-transport-ws');
        const send = (message) => socket.send(JSON.stringify(message));
        socket.onopen = () => send({ type: 'connection_init', payload: { authToken: window.token } });
        socket.onclose = ({ code, reason }) => {
          window.ended = { code, reason };
          reject(new Error(`closed with ${code}: ${reason}`));
        };
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(data);
          if (message.type === 'connection_ack') {
            const query = `subscription { documentChanged(documentId: "${id}", since: 1) { content } }`;
            send({ id: '1', type: 'subscribe', payload: { query } });
            resolve();
          }
          if (message.type === 'next') window.contents.push(message.payload.data.documentChanged.content);
        };
      }),
    server.socket,
    id,
  );
}

test('users who sign in at the provider share a document in the browser', async (t) => {
  const [ana, bo] = [await signIn(t, 'ana'), await signIn(t, 'bo')];
  assert.equal(data(await run(ana, '{ me { name email } }')).me.name, 'Ana');
  assert.equal(data(await run(bo, '{ me { email } }')).me.email, 'bo@example.org');

  const { id } = data(await run(ana, 'mutation { createDocument(title: "Plan") { id } }')).createDocument;
  const grant = 'mutation ($id: ID!, $email: String) { grantAccess(documentId: $id, level: EDIT, email: $email) { level } }';
  data(await run(ana, grant, { id, email: 'bo@example.org' }));
  await watch(ana, id);
  const write = 'mutation ($id: ID!) { updateDocument(id: $id, content: "Hello from Bo") { version } }';
  data(await run(bo, write, { id }));
  await until('the change arrives', () => ana.evaluate(() => window.contents.includes('Hello from Bo')));

  // Signing out ends the page's connection.
  data(await run(ana, 'mutation { signOutEverywhere }'));
  const closed = await until('the socket closes', () => ana.evaluate(() => window.ended));
  assert.deepEqual(closed, { code: 4403, reason: 'Signed out; sign in again' });
  assert.deepEqual([ana.errors, bo.errors], [[], []]);
});

test('the provider changes its keys while the server runs', async (t) => {
  const cleo = await signIn(t, 'cleo');
  assert.equal(data(await run(cleo, '{ me { name } }')).me.name, 'Cleo');

  provider.rotate([newer, older]);
  const dan = await signIn(t, 'dan');
  await until('the new key is known', async () => (await run(dan, '{ me { name } }')).data?.me.name === 'Dan');
  assert.equal(data(await run(cleo, '{ me { name } }')).me.name, 'Cleo');
});

test('without a token of the provider nobody gets in', async () => {
  const stranger = new Person(server, { name: 'stranger' });
  const register = 'mutation { register(email: "eve@example.org", name: "Eve", password: "a long password") { token } }';
  assert.equal(refusal(await stranger.run(register)).code, 'FORBIDDEN');
  const forged = new Person(server, { name: 'forged', token: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ.' });
  assert.equal(refusal(await forged.run('{ me { name } }')).code, 'UNAUTHENTICATED');
});
