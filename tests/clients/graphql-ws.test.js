// The `graphql-ws` client: connection, presence, cursors, changes and access of a shared document.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
  createDocument,
  deleteDocument,
  grant,
  listDocuments,
  presentSessions,
  readDocument,
  rename,
  revoke,
  tryToMoveCursor,
  tryToUpdate,
  update,
} from './support/documents.js';
import { until } from './support/patience.js';
import { data, Person, refusal } from './support/person.js';
import { Server } from './support/server.js';
import { confirmChangeSubscriptions, Tab } from './support/tab.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server, alice, bob, carol;

before(async () => {
  server = await Server.start();
  [alice, bob, carol] = await Promise.all(['Alice', 'Bob', 'Carol'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** Creates a document of Alice that Bob may edit. */
async function sharedDocument() {
  const { id } = await createDocument(alice, 'Project Alpha', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  return id;
}

/** Opens `document` in a tab that closes at the end of the test. */
async function open(t, person, document) {
  const tab = await Tab.open(person, document);
  t.after(() => tab.close());
  return tab;
}

/** Moves the cursor of `sender` until `receiver` receives it. Returns the first event. */
async function moveUntilReceived(sender, receiver, document, cursor) {
  return until('The cursor arrives', async () => {
    data(await tryToMoveCursor(sender, document, cursor));
    return receiver.cursors.isEmpty ? undefined : receiver.cursors.next();
  });
}

describe('connecting', () => {
  test('the acknowledgement has the user and the session', async (t) => {
    const tab = await Tab.connect(alice);
    t.after(() => tab.close());
    assert.equal(tab.ack.userId, alice.id);
    assert.match(tab.ack.sessionId, UUID);
    assert.ok(tab.ack.heartbeat);
    assert.ok(tab.ack.tokenExpiresAt);
  });

  for (const [description, token, reason] of [
    ['no token', undefined, 'Missing authentication token'],
    ['an invalid token', 'not.a.token', 'Invalid token'],
  ]) {
    test(`a connection with ${description} closes with 4403 "${reason}"`, async () => {
      const stranger = { server, token, name: 'A stranger' };
      await assert.rejects(Tab.connect(stranger), { code: 4403, reason });
    });
  }
});

describe('presence', () => {
  test('subscribers receive the arrival and departure of other sessions', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await Tab.open(bob, document);

    const { documentId, kind, presence } = await alices.presence.next();
    assert.deepEqual(
      { documentId, kind, session: presence.sessionId, user: presence.user },
      { documentId: document, kind: 'JOINED', session: bobs.session, user: { id: bob.id, name: 'Bob' } },
    );
    assert.match(presence.color, /^#[0-9a-f]{6}$/);
    assert.deepEqual(
      new Set(await presentSessions(alice, document)),
      new Set([alices.session, bobs.session]),
    );

    const second = await open(t, alice, document);
    for (const receiver of [alices, bobs]) {
      const arrival = await receiver.presence.next();
      assert.equal(arrival.kind, 'JOINED');
      assert.equal(arrival.presence.sessionId, second.session, `${receiver.person.name} receives the second tab`);
    }

    await bobs.close();
    for (const receiver of [alices, second]) {
      const departure = await receiver.presence.next();
      assert.equal(departure.kind, 'LEFT');
      assert.equal(departure.presence.sessionId, bobs.session);
    }
  });

  test('a cursor is delivered to other sessions and not to its own', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await open(t, bob, document);
    await moveUntilReceived(alices, bobs, document, { line: 0, column: 0 });

    const cursor = { line: 3, column: 14, anchor: { line: 3, column: 2 } };
    const { documentId, sessionId, user, color, cursor: seen } = await moveUntilReceived(bobs, alices, document, cursor);
    assert.deepEqual(
      { documentId, sessionId, user, cursor: seen },
      { documentId: document, sessionId: bobs.session, user: { id: bob.id, name: 'Bob' }, cursor },
    );
    assert.match(color, /^#[0-9a-f]{6}$/);

    data(await tryToMoveCursor(alices, document, { line: 99, column: 0 }));
    let received;
    do {
      received = await bobs.cursors.next();
      assert.equal(received.sessionId, alices.session, 'Bob does not receive the cursor of the sending tab');
    } while (received.cursor.line !== 99);
    assert.equal(received.cursor.anchor, null);
  });

  test('a cursor of a session that does not have the document open is refused', async () => {
    const document = await sharedDocument();
    assert.equal(refusal(await tryToMoveCursor(alice, document, { line: 0, column: 0 })).code, 'BAD_USER_INPUT');
  });

  test('a negative position is refused', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    assert.equal(refusal(await tryToMoveCursor(alices, document, { line: -1, column: 0 })).code, 'BAD_USER_INPUT');
  });
});

describe('changes', () => {
  test('a change is delivered to other sessions and not to the session that made it', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await open(t, bob, document);
    await confirmChangeSubscriptions([alices], bob, document);
    await confirmChangeSubscriptions([bobs], alice, document);

    const renamed = await update(bobs, document, { title: 'Project Beta' });
    const edited = await update(bobs, document, { content: 'Hello World' });
    assert.equal(edited.version, renamed.version + 1);

    assert.equal((await alices.changes.next()).kind, 'RENAMED');
    const { changedAt, ...change } = await alices.changes.next();
    assert.deepEqual(change, {
      documentId: document,
      kind: 'EDITED',
      version: edited.version,
      author: { id: bob.id, name: 'Bob' },
      sessionId: bobs.session,
      title: 'Project Beta',
      content: 'Hello World',
    });
    assert.ok(Date.parse(changedAt), 'changedAt is a time');

    await rename(alices, document, 'A marker');
    const first = await bobs.changes.next();
    assert.deepEqual([first.title, first.sessionId], ['A marker', alices.session], 'Bob receives no echo');
  });

  test('a change is delivered to other tabs of its author', async (t) => {
    const document = await sharedDocument();
    const [first, second] = [await open(t, alice, document), await open(t, alice, document)];
    await confirmChangeSubscriptions([first, second], bob, document);

    const version = await rename(first, document, 'Project Gamma');

    const received = await second.changes.next();
    assert.deepEqual([received.kind, received.title, received.version], ['RENAMED', 'Project Gamma', version]);
    assert.equal(received.sessionId, first.session);

    await rename(bob, document, 'A marker');
    assert.equal((await first.changes.next()).title, 'A marker', 'the tab receives no echo');
  });

  test('an edit based on an old version is merged, and one based on a future version is refused', async (t) => {
    const document = await sharedDocument();
    const { version: old } = await readDocument(alice, document);
    const { version: head } = await update(alice, document, { content: 'Hello World' });
    const bobs = await open(t, bob, document);

    for (const client of [bob, bobs]) {
      const result = await tryToUpdate(client, document, { content: 'Too early', baseVersion: head + 1 });
      const details = refusal(result);
      assert.deepEqual([details.code, details.head], ['BAD_USER_INPUT', head]);
    }
    assert.equal((await readDocument(alice, document)).version, head, 'the version is unchanged');

    const merged = await update(bobs, document, { content: 'Well, Hello', baseVersion: old });
    assert.deepEqual([merged.version, merged.content], [head + 1, 'Well, Hello World']);
  });

  test('a deletion is delivered to sessions that have the document open', async (t) => {
    const document = await sharedDocument();
    const bobs = await open(t, bob, document);
    await confirmChangeSubscriptions([bobs], alice, document);

    assert.equal(await deleteDocument(alice, document), true);

    const { kind, author } = await bobs.changes.next();
    assert.deepEqual({ kind, author }, { kind: 'DELETED', author: { id: alice.id, name: 'Alice' } });
    assert.equal(await readDocument(bobs, document), null);
    assert.equal(refusal(await tryToUpdate(bobs, document, { title: 'Too late' })).code, 'FORBIDDEN');
  });
});

describe('access', () => {
  test('revocation ends the subscriptions of a user and refuses edits', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await open(t, bob, document);
    assert.equal((await alices.presence.next()).kind, 'JOINED');
    await confirmChangeSubscriptions([bobs], alice, document);
    await moveUntilReceived(alices, bobs, document, { line: 1, column: 1 });

    assert.equal(await revoke(alices, document, bob.id), true);

    for (const topic of ['changes', 'presence', 'cursors']) {
      const errors = await bobs[topic].end();
      assert.equal(refusal({ errors }).code, 'FORBIDDEN', `Bob's ${topic}`);
    }
    for (const client of [bob, bobs]) {
      assert.equal(refusal(await tryToUpdate(client, document, { content: 'Still here' })).code, 'FORBIDDEN');
      assert.equal(await readDocument(client, document), null);
    }
    assert.equal(refusal(await tryToMoveCursor(bobs, document, { line: 0, column: 0 })).code, 'FORBIDDEN');

    const { kind, presence } = await alices.presence.next();
    assert.deepEqual([kind, presence.sessionId], ['LEFT', bobs.session]);
    assert.equal((await readDocument(alice, document)).content, 'Hello');
    assert.equal(data(await bobs.run('{ me { name } }')).me.name, 'Bob', "Bob's session stays open");
  });

  test('a user without access is refused', async (t) => {
    const document = await sharedDocument();
    const carols = await Tab.connect(carol);
    t.after(() => carols.close());
    const subscription = 'subscription ($id: ID!) { documentChanged(documentId: $id) { version } }';
    assert.equal(refusal(await carols.run(subscription, { id: document })).code, 'FORBIDDEN');
    for (const client of [carol, carols]) {
      assert.equal(await readDocument(client, document), null);
      assert.equal(refusal(await tryToUpdate(client, document, { title: 'Mine' })).code, 'FORBIDDEN');
    }
  });

  test('a viewer receives changes but cannot edit', async (t) => {
    const { id: document } = await createDocument(alice, 'Read only');
    await grant(alice, document, 'VIEW', carol.email);
    const carols = await open(t, carol, document);
    await confirmChangeSubscriptions([carols], alice, document);
    assert.equal(refusal(await tryToUpdate(carols, document, { content: 'Mine' })).code, 'FORBIDDEN');
    await update(alice, document, { content: 'Yours to read' });
    assert.equal((await carols.changes.next()).content, 'Yours to read');
  });
});

describe('queries and mutations', () => {
  for (const transport of ['HTTP', 'the socket']) {
    test(`a document is created, edited and deleted over ${transport}`, async (t) => {
      const client = transport === 'HTTP' ? alice : await Tab.connect(alice);
      if (client.close) t.after(() => client.close());

      const created = await createDocument(client, 'Notes', 'One');
      assert.match(created.id, UUID);
      assert.deepEqual([created.title, created.content, created.access], ['Notes', 'One', 'OWNER']);
      assert.equal(created.owner.id, alice.id);
      assert.ok((await listDocuments(client)).some(({ id }) => id === created.id));

      const changed = await update(client, created.id, { title: 'Better notes', content: 'Two', baseVersion: created.version });
      assert.ok(changed.version > created.version);
      assert.deepEqual(await readDocument(client, created.id), {
        id: created.id,
        title: 'Better notes',
        content: 'Two',
        version: changed.version,
        access: 'OWNER',
      });

      assert.equal(refusal(await tryToUpdate(client, created.id, { title: '' })).code, 'BAD_USER_INPUT');
      assert.ok((await client.run('{ nothingOfTheKind }')).errors.length > 0);
      assert.ok((await client.run('{')).errors.length > 0);

      assert.equal(await deleteDocument(client, created.id), true);
      assert.equal(await readDocument(client, created.id), null);
      assert.equal(data(await client.run('{ me { email } }')).me.email, alice.email);
    });
  }
});
