// Alice and Bob on the `graphql-ws` client: they share a document, see each other, and see what the other does.

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
import { allHearChanges, Tab } from './support/tab.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server, alice, bob, carol;

before(async () => {
  server = await Server.start();
  [alice, bob, carol] = await Promise.all(['Alice', 'Bob', 'Carol'].map((name) => Person.register(server, name)));
});
after(() => server.stop());

/** A document of Alice's that Bob may edit. */
async function sharedDocument() {
  const { id } = await createDocument(alice, 'Project Alpha', 'Hello');
  await grant(alice, id, 'EDIT', bob.email);
  return id;
}

/** Opens `document` in a tab that closes with the test. */
async function open(t, person, document) {
  const tab = await Tab.open(person, document);
  t.after(() => tab.close());
  return tab;
}

/** Moves the cursor of `mover` until `watcher` has heard of it, and returns what was heard first. */
async function moveUntilHeard(mover, watcher, document, cursor) {
  return until('The cursor is seen', async () => {
    data(await tryToMoveCursor(mover, document, cursor));
    return watcher.cursors.isEmpty ? undefined : watcher.cursors.next();
  });
}

describe('connecting', () => {
  test('the acknowledgement says who one is', async (t) => {
    const tab = await Tab.connect(alice);
    t.after(() => tab.close());
    assert.equal(tab.ack.userId, alice.id);
    assert.match(tab.ack.sessionId, UUID);
    assert.ok(tab.ack.heartbeat);
    assert.ok(tab.ack.tokenExpiresAt);
  });

  for (const [what, token, reason] of [
    ['no token', undefined, 'Missing authentication token'],
    ['a bad token', 'not.a.token', 'Invalid token'],
  ]) {
    test(`with ${what} the socket closes with 4403 "${reason}"`, async () => {
      const stranger = { server, token, name: 'A stranger' };
      await assert.rejects(Tab.connect(stranger), { code: 4403, reason });
    });
  }
});

describe('presence', () => {
  test('people see each other arrive and leave', async (t) => {
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
    for (const watcher of [alices, bobs]) {
      const arrival = await watcher.presence.next();
      assert.equal(arrival.kind, 'JOINED');
      assert.equal(arrival.presence.sessionId, second.session, `${watcher.person.name} sees the second tab`);
    }

    await bobs.close();
    for (const watcher of [alices, second]) {
      const departure = await watcher.presence.next();
      assert.equal(departure.kind, 'LEFT');
      assert.equal(departure.presence.sessionId, bobs.session);
    }
  });

  test('a cursor is seen by the others and not by who moved it', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await open(t, bob, document);
    await moveUntilHeard(alices, bobs, document, { line: 0, column: 0 });

    const cursor = { line: 3, column: 14, anchor: { line: 3, column: 2 } };
    const { documentId, sessionId, user, color, cursor: seen } = await moveUntilHeard(bobs, alices, document, cursor);
    assert.deepEqual(
      { documentId, sessionId, user, cursor: seen },
      { documentId: document, sessionId: bobs.session, user: { id: bob.id, name: 'Bob' }, cursor },
    );
    assert.match(color, /^#[0-9a-f]{6}$/);

    data(await tryToMoveCursor(alices, document, { line: 99, column: 0 }));
    let heard;
    do {
      heard = await bobs.cursors.next();
      assert.equal(heard.sessionId, alices.session, 'Bob heard of his own cursor');
    } while (heard.cursor.line !== 99);
    assert.equal(heard.cursor.anchor, null);
  });

  test('a cursor needs a session that has the document open', async () => {
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
  test('what Bob writes reaches Alice and does not come back to Bob', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await open(t, bob, document);
    await allHearChanges([alices], bob, document);
    await allHearChanges([bobs], alice, document);

    const saved = await update(bobs, document, { title: 'Project Beta' });
    const written = await update(bobs, document, { content: 'Hello World' });
    assert.equal(written.version, saved.version + 1);

    assert.equal((await alices.changes.next()).kind, 'RENAMED');
    const { changedAt, ...change } = await alices.changes.next();
    assert.deepEqual(change, {
      documentId: document,
      kind: 'EDITED',
      version: written.version,
      author: { id: bob.id, name: 'Bob' },
      sessionId: bobs.session,
      title: 'Project Beta',
      content: 'Hello World',
    });
    assert.ok(Date.parse(changedAt), 'changedAt is a time');

    await rename(alices, document, 'A marker');
    const first = await bobs.changes.next();
    assert.deepEqual([first.title, first.sessionId], ['A marker', alices.session], 'Bob heard of his own change');
  });

  test("one's other tab hears what one did in this one", async (t) => {
    const document = await sharedDocument();
    const [here, there] = [await open(t, alice, document), await open(t, alice, document)];
    await allHearChanges([here, there], bob, document);

    const version = await rename(here, document, 'Project Gamma');

    const heard = await there.changes.next();
    assert.deepEqual([heard.kind, heard.title, heard.version], ['RENAMED', 'Project Gamma', version]);
    assert.equal(heard.sessionId, here.session);

    await rename(bob, document, 'A marker');
    assert.equal((await here.changes.next()).title, 'A marker', 'the tab heard of its own change');
  });

  test('a change against an old version is merged, and one against a version to come is refused', async (t) => {
    const document = await sharedDocument();
    const { version: old } = await readDocument(alice, document);
    const { version: head } = await update(alice, document, { content: 'Hello World' });
    const bobs = await open(t, bob, document);

    for (const by of [bob, bobs]) {
      const result = await tryToUpdate(by, document, { content: 'Too early', baseVersion: head + 1 });
      const refused = refusal(result);
      assert.deepEqual([refused.code, refused.head], ['BAD_USER_INPUT', head]);
    }
    assert.equal((await readDocument(alice, document)).version, head, 'nothing changed');

    const merged = await update(bobs, document, { content: 'Well, Hello', baseVersion: old });
    assert.deepEqual([merged.version, merged.content], [head + 1, 'Well, Hello World']);
  });

  test('a deletion reaches those who have the document open', async (t) => {
    const document = await sharedDocument();
    const bobs = await open(t, bob, document);
    await allHearChanges([bobs], alice, document);

    assert.equal(await deleteDocument(alice, document), true);

    const { kind, author } = await bobs.changes.next();
    assert.deepEqual({ kind, author }, { kind: 'DELETED', author: { id: alice.id, name: 'Alice' } });
    assert.equal(await readDocument(bobs, document), null);
    assert.equal(refusal(await tryToUpdate(bobs, document, { title: 'Too late' })).code, 'FORBIDDEN');
  });
});

describe('access', () => {
  test('whose access is revoked loses the streams and the right to change things', async (t) => {
    const document = await sharedDocument();
    const alices = await open(t, alice, document);
    const bobs = await open(t, bob, document);
    assert.equal((await alices.presence.next()).kind, 'JOINED');
    await allHearChanges([bobs], alice, document);
    await moveUntilHeard(alices, bobs, document, { line: 1, column: 1 });

    assert.equal(await revoke(alices, document, bob.id), true);

    for (const topic of ['changes', 'presence', 'cursors']) {
      const errors = await bobs[topic].end();
      assert.equal(refusal({ errors }).code, 'FORBIDDEN', `Bob's ${topic}`);
    }
    for (const by of [bob, bobs]) {
      assert.equal(refusal(await tryToUpdate(by, document, { content: 'Still here' })).code, 'FORBIDDEN');
      assert.equal(await readDocument(by, document), null);
    }
    assert.equal(refusal(await tryToMoveCursor(bobs, document, { line: 0, column: 0 })).code, 'FORBIDDEN');

    const { kind, presence } = await alices.presence.next();
    assert.deepEqual([kind, presence.sessionId], ['LEFT', bobs.session]);
    assert.equal((await readDocument(alice, document)).content, 'Hello');
    assert.equal(data(await bobs.ask('{ me { name } }')).me.name, 'Bob', "Bob's session lives on");
  });

  test('who was never given access is refused at once', async (t) => {
    const document = await sharedDocument();
    const carols = await Tab.connect(carol);
    t.after(() => carols.close());
    const listen = 'subscription ($id: ID!) { documentChanged(documentId: $id) { version } }';
    assert.equal(refusal(await carols.ask(listen, { id: document })).code, 'FORBIDDEN');
    for (const by of [carol, carols]) {
      assert.equal(await readDocument(by, document), null);
      assert.equal(refusal(await tryToUpdate(by, document, { title: 'Mine' })).code, 'FORBIDDEN');
    }
  });

  test('who may only view hears everything and changes nothing', async (t) => {
    const { id: document } = await createDocument(alice, 'Look, but do not touch');
    await grant(alice, document, 'VIEW', carol.email);
    const carols = await open(t, carol, document);
    await allHearChanges([carols], alice, document);
    assert.equal(refusal(await tryToUpdate(carols, document, { content: 'Mine' })).code, 'FORBIDDEN');
    await update(alice, document, { content: 'Yours to read' });
    assert.equal((await carols.changes.next()).content, 'Yours to read');
  });
});

describe('queries and mutations', () => {
  for (const transport of ['HTTP', 'the socket']) {
    test(`the life of a document over ${transport}`, async (t) => {
      const by = transport === 'HTTP' ? alice : await Tab.connect(alice);
      if (by.close) t.after(() => by.close());

      const made = await createDocument(by, 'Notes', 'One');
      assert.match(made.id, UUID);
      assert.deepEqual([made.title, made.content, made.access], ['Notes', 'One', 'OWNER']);
      assert.equal(made.owner.id, alice.id);
      assert.ok((await listDocuments(by)).some(({ id }) => id === made.id));

      const changed = await update(by, made.id, { title: 'Better notes', content: 'Two', baseVersion: made.version });
      assert.ok(changed.version > made.version);
      assert.deepEqual(await readDocument(by, made.id), {
        id: made.id,
        title: 'Better notes',
        content: 'Two',
        version: changed.version,
        access: 'OWNER',
      });

      assert.equal(refusal(await tryToUpdate(by, made.id, { title: '' })).code, 'BAD_USER_INPUT');
      assert.ok((await by.ask('{ nothingOfTheKind }')).errors.length > 0);
      assert.ok((await by.ask('{')).errors.length > 0);

      assert.equal(await deleteDocument(by, made.id), true);
      assert.equal(await readDocument(by, made.id), null);
      assert.equal(data(await by.ask('{ me { email } }')).me.email, alice.email);
    });
  }
});
