// Seeded random plans: Yjs editors and GraphQL clients edit one document while they disconnect and reconnect. In the end,
// all replicas and the database are equal, and every mark that was written exists exactly once.
//
// The seed determines the steps of a plan. The order of concurrent steps may differ between runs. `COSCRIBE_SEED=n` runs a
// test with the seed `n` only, `COSCRIBE_SEEDS=n` with `n` new seeds.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setImmediate as yieldToEvents } from 'node:timers/promises';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import * as Y from 'yjs';

import { applyDelta } from './delta.js';
import { createDocument, grant, readDocument } from './documents.js';
import { Editor } from './editor.js';
import { until } from './patience.js';
import { data, Person } from './person.js';

const CHARACTERS = ['a', 'b', 'word ', ' ', '\n', 'ö', 'e\u0301', '🎈', '👨‍👩‍👧', '𝒳', '\u{10fffd}', '漢字'];

/** The delay before a subscriber reconnects. */
const RETRY_AFTER_MS = 30;
/** The time limit for acknowledgements and for convergence. */
const CONVERGE_WITHIN_MS = 60_000;
/** Less than `room.awareness_every` of the servers, so that no peer depends on the periodic broadcast. */
export const AWARENESS_WITHIN_MS = 10_000;
/**
 * After a restart, awareness clocks start from the current time. A plan sends more awareness updates in a second than a person
 * in a minute, so the old clocks are ahead. Peers accept new states only when the time has passed the old clocks.
 */
export const AWARENESS_AFTER_RESTART_MS = 60_000;

/** SplitMix64: equal seeds yield equal numbers on every machine. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = BigInt.asUintN(64, BigInt(seed));
  }

  /** Returns an integer from 0 up to `bound`, exclusive. */
  below(bound) {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let mixed = this.#state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    mixed ^= mixed >> 31n;
    return Number(mixed % BigInt(bound));
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  characters(most) {
    return Array.from({ length: 1 + this.below(most) }, () => this.pick(CHARACTERS)).join('');
  }

  /** Returns a position in `text` that splits neither a mark, since marks are counted in the end, nor a character. */
  position(text) {
    let at = this.below(text.length + 1);
    if (at > 0 && text.lastIndexOf('<', at - 1) > text.lastIndexOf('>', at - 1)) at = text.indexOf('>', at) + 1;
    return afterSurrogatePair(text, at);
  }

  /** Returns how much to delete: about half of the text up to the next mark at most, and 0 only right before the mark. */
  deletableLength(text, at) {
    const mark = text.indexOf('<', at);
    const free = (mark < 0 ? text.length : mark) - at;
    return free === 0 ? 0 : afterSurrogatePair(text, at + 1 + this.below(Math.ceil(free / 2))) - at;
  }
}

/** Returns the position, moved to the end of a surrogate pair if it is inside one. */
function afterSurrogatePair(text, at) {
  const isInside = /[\ud800-\udbff]/.test(text[at - 1] ?? '') && /[\udc00-\udfff]/.test(text[at] ?? '');
  return isInside ? at + 1 : at;
}

/** Returns the same person at another server. */
export function personAt(server, person) {
  return new Person(server, { ...person, server });
}

/** Returns the seeds that the environment requests, or else `defaults`. */
export function chooseSeeds(defaults) {
  const { COSCRIBE_SEED: one, COSCRIBE_SEEDS: many } = process.env;
  if (one) return [BigInt(one)];
  if (!many) return defaults;
  return Array.from({ length: Number(many) }, (_, n) => (BigInt(process.pid) << 32n) + BigInt(n));
}

/** A GraphQL subscriber that builds the text from the changes it receives. It reconnects and resumes at its version. */
export class Subscriber {
  version = 1;
  text = '';
  /** The first fault that was found. */
  fault;
  #client;
  #retryTimer;

  constructor(person, document) {
    Object.assign(this, { person, document, doc: new Y.Doc() });
    this.connect();
  }

  connect() {
    if (this.isConnected) return;
    clearTimeout(this.#retryTimer);
    const query = `subscription ($id: ID!, $since: Int) {
      documentChanged(documentId: $id, since: $since) {
        kind version delta { retain insert delete } update content
      }
    }`;
    const client = createClient({
      url: this.person.server.socket,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: { authToken: this.person.token },
    });
    const ended = (reason) => client === this.#client && this.#reconnectLater(reason);
    this.#client = client;
    client.subscribe(
      { query, variables: { id: this.document, since: this.version } },
      { next: (result) => client === this.#client && this.#receive(result), error: ended, complete: ended },
    );
  }

  /** Uses the server of `person` from the next connection on. */
  moveTo(person) {
    this.person = person;
  }

  async disconnect() {
    clearTimeout(this.#retryTimer);
    const client = this.#client;
    this.#client = undefined;
    // Rejects if the connection fails while it is being opened.
    await client?.dispose().catch(() => {});
  }

  get isConnected() {
    return this.#client !== undefined;
  }

  #receive({ data: received, errors }) {
    if (errors) return this.#fail(JSON.stringify(errors));
    const change = received.documentChanged;
    if (change.version !== this.version + 1) {
      return this.#fail(`received version ${change.version} after version ${this.version}`);
    }
    this.version = change.version;
    this.text = applyDelta(this.text, change.delta ?? []);
    if (change.update) Y.applyUpdate(this.doc, Buffer.from(change.update, 'base64'));
    if (this.text !== change.content) this.#fail(`the deltas up to version ${change.version} do not yield its text`);
    if (this.doc.getText('content').toString() !== change.content) {
      this.#fail(`the updates up to version ${change.version} do not yield its text`);
    }
  }

  #reconnectLater(reason) {
    this.#client = undefined;
    const code = Array.isArray(reason) ? reason[0].extensions?.code : reason?.code;
    // A server that stops or starts closes with UNAVAILABLE or a code below 4400. Any other code is a refusal.
    if (code !== undefined && code !== 'UNAVAILABLE' && !(code < 4400)) {
      return this.#fail(`the server refused it: ${JSON.stringify(reason.reason ?? reason)}`);
    }
    this.#retryTimer = setTimeout(() => this.connect(), RETRY_AFTER_MS);
  }

  #fail(fault) {
    this.fault ??= `${this.person.name}'s subscriber: ${fault}`;
  }

  close() {
    this.doc.destroy();
    return this.disconnect();
  }
}

export class Plan {
  editors = [];
  subscribers = [];
  /** The marks that must exist in the end. The mark of an editor has its client id and clock. */
  marks = [];
  #faults = [];
  /** Edits over GraphQL. Each promise settles when its edit is acknowledged. */
  #writes = [];

  /** Creates a document of the first person, which all others may edit. */
  static async create(seed, people) {
    const plan = new Plan();
    const [owner, ...others] = people;
    const { id } = await createDocument(owner, `Plan ${seed}`);
    for (const other of others) await grant(owner, id, 'EDIT', other.email);
    Object.assign(plan, { random: new Random(seed), people, document: id });
    return plan;
  }

  /** Opens an editor for a person. */
  async openEditor(person, options = {}) {
    const editor = await Editor.open(person, this.document, { ...options, params: { saved: true } });
    editor.provider.on('closed', ({ code, reason }) => {
      this.#faults.push(`${person.name}'s editor was closed permanently: ${code} ${reason}`);
    });
    this.editors.push(editor);
    return editor;
  }

  /** Opens a GraphQL subscriber for a person. */
  subscribe(person) {
    const subscriber = new Subscriber(person, this.document);
    this.subscribers.push(subscriber);
    return subscriber;
  }

  /** Moves all editors and subscribers to `server`. They keep their replicas. */
  moveTo(server) {
    this.people = this.people.map((person) => personAt(server, person));
    for (const client of [...this.editors, ...this.subscribers]) client.moveTo(personAt(server, client.person));
  }

  /** Runs random steps. */
  async run(steps) {
    for (let step = 0; step < steps; step += 1) {
      await this.#step();
      await yieldToEvents();
    }
  }

  async #step() {
    const { random } = this;
    const editor = random.pick(this.editors);
    switch (random.below(20)) {
      case 0: case 1: case 2: case 3: case 4:
        return this.#type(editor);
      case 5: case 6:
        return this.#insertMark(editor);
      case 7: case 8: case 9: case 10:
        return this.#delete(editor);
      case 11:
        return editor.provider.shouldConnect ? editor.provider.disconnect() : editor.provider.connect();
      case 12: {
        // Messages of the old connection may still be in transit.
        editor.provider.disconnect();
        return editor.provider.connect();
      }
      case 13:
        return this.#moveCursor(editor);
      case 14: case 15:
        return this.#editOverGraphql(random.pick(this.subscribers));
      case 16: {
        const subscriber = random.pick(this.subscribers);
        if (!subscriber.isConnected) return subscriber.connect();
        await subscriber.disconnect();
        return random.below(2) === 0 ? subscriber.connect() : undefined;
      }
      case 17:
        return editor.doc.getMap('notes').set(`note ${random.below(5)}`, random.characters(2));
      default:
        // A request gives messages time to arrive. The server may be down.
        return readDocument(random.pick(this.people), this.document).catch(() => {});
    }
  }

  /** Inserts a few characters, one at a time. */
  #type(editor) {
    const at = this.random.position(editor.content);
    [...this.random.characters(4)].reduce((position, character) => {
      editor.insert(position, character);
      return position + character.length;
    }, at);
  }

  #insertMark(editor) {
    const mark = this.#nextMark();
    editor.insert(this.random.position(editor.content), mark);
    const { clientID: client, store } = editor.doc;
    this.marks.push({ mark, client, clock: Y.getState(store, client) });
  }

  #delete(editor) {
    const at = this.random.position(editor.content);
    editor.text.delete(at, this.random.deletableLength(editor.content, at));
  }

  #moveCursor(editor) {
    const at = () => {
      const position = this.random.below(editor.text.length + 1);
      return Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(editor.text, position));
    };
    editor.provider.awareness.setLocalStateField('cursor', { anchor: at(), head: at() });
  }

  /** Sends an edit over GraphQL, based on the text of a subscriber. */
  #editOverGraphql({ version, text }) {
    const { random } = this;
    const mark = this.#nextMark();
    const at = random.position(text);
    const deleted = random.below(2) === 0 ? random.deletableLength(text, at) : 0;
    const delta = [{ retain: at }, { insert: random.characters(2) + mark }, { delete: deleted }];
    this.marks.push({ mark });
    const mutation = `mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID) {
      editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name) { version }
    }`;
    const steps = delta.filter((step) => Object.values(step)[0] !== 0);
    const variables = { id: this.document, base: version, delta: steps, name: randomUUID() };
    const write = until(`${mark} is acknowledged`, () => this.#send(mutation, variables), CONVERGE_WITHIN_MS);
    this.#writes.push(write.catch((error) => this.#faults.push(error.message)));
  }

  /** Sends an edit to the server of a random person. Returns false if it may not have been stored. */
  async #send(mutation, variables) {
    // Retries need the same author, because an edit id is unique per author.
    const author = personAt(this.random.pick(this.people).server, this.people[0]);
    const result = await author.run(mutation, variables).catch(() => undefined);
    if (!result || result.errors?.[0].extensions?.code === 'UNAVAILABLE') return false;
    data(result);
    return true;
  }

  #nextMark() {
    return `<${this.marks.length}>`;
  }

  /**
   * Connects all clients and waits until every edit is acknowledged, all replicas are equal and all clients are visible to each
   * other. Returns the text.
   */
  async expectConvergence({ awarenessWithin = AWARENESS_WITHIN_MS } = {}) {
    for (const editor of this.editors) editor.provider.connect();
    for (const subscriber of this.subscribers) subscriber.connect();
    await Promise.all(this.#writes);
    await this.#expectNone('All replicas equal the database', () => this.#findDifference(), CONVERGE_WITHIN_MS);
    const { content } = await readDocument(this.people[0], this.document);
    this.#expectEachMarkOnce(content);
    await this.#expectNone('Awareness and presence list every client', () => this.#findMissingPeer(), awarenessWithin);
    return content;
  }

  /** Fails unless each mark exists exactly once. */
  #expectEachMarkOnce(content) {
    const marks = content.match(/<\d+>/g) ?? [];
    const times = (mark) => marks.filter((other) => other === mark).length;
    const lost = this.marks.filter(({ mark }) => times(mark) === 0).map(({ mark }) => mark);
    const duplicated = this.marks.filter(({ mark }) => times(mark) > 1).map(({ mark }) => mark);
    assert.deepEqual({ lost, duplicated, marks: marks.length }, { lost: [], duplicated: [], marks: this.marks.length });
  }

  /** Waits until `findFault` returns undefined. Fails if any fault was recorded. */
  async #expectNone(what, findFault, limit) {
    let last;
    const faults = () => [...this.#faults, ...this.subscribers.flatMap(({ fault }) => fault ?? [])];
    const settled = async () => {
      last = await findFault();
      return last === undefined || faults().length > 0;
    };
    await until(what, settled, limit).catch((error) => this.#faults.push(`${error.message}; ${last}`));
    assert.deepEqual(faults(), []);
  }

  /** Returns the first difference between a client and the database, or undefined. */
  async #findDifference() {
    const { content, version } = await readDocument(this.people[0], this.document);
    const [first] = this.editors;
    for (const { person, text, doc, provider, denials } of this.editors) {
      if (denials > 0) return `an update of ${person.name} was refused`;
      if (!provider.synced) return `${person.name} is not synced`;
      const differs = difference(text.toString(), content);
      if (differs) return `${person.name}'s editor differs from the database: ${differs}`;
      const clocks = difference(stateOf(doc), stateOf(first.doc));
      if (clocks) return `${person.name} has another state vector: ${clocks}`;
      const notes = (of) => JSON.stringify(Object.entries(of.getMap('notes').toJSON()).sort());
      const differ = difference(notes(doc), notes(first.doc));
      if (differ) return `${person.name} has other notes: ${differ}`;
    }
    for (const subscriber of this.subscribers) {
      if (subscriber.version !== version) return `a subscriber is at version ${subscriber.version}, the head is ${version}`;
      const differs = difference(subscriber.text, content);
      if (differs) return `the text of a subscriber differs from the database: ${differs}`;
    }
    return undefined;
  }

  /** Returns the first fault in awareness or presence, which must list every client once, or undefined. */
  async #findMissingPeer() {
    const query = 'query ($id: ID!) { documentPresence(documentId: $id) { sessionId user { id } } }';
    const expected = this.editors.length + this.subscribers.length;
    const ownSessions = [];
    for (const editor of this.editors) {
      const { name, id } = editor.person;
      const present = data(await editor.person.run(query, { id: this.document })).documentPresence;
      if (present.length !== expected) {
        return `presence lists ${present.map(({ sessionId }) => sessionId)}, expected ${expected} sessions`;
      }
      const peers = editor.peers();
      const visible = peers.map(({ user }) => user.sessionId);
      const invisible = present.filter(({ sessionId }) => !visible.includes(sessionId));
      // The only session that is missing from the peers of an editor is its own.
      if (visible.length !== expected - 1 || invisible.length !== 1 || invisible[0].user.id !== id) {
        const listed = peers.map(({ client, user }) => `${user.name} (${client})`);
        return `${name} has the peers ${listed}, expected ${expected - 1} peers`;
      }
      ownSessions.push(invisible[0].sessionId);
    }
    return new Set(ownSessions).size === ownSessions.length ? undefined : `two editors have the same session: ${ownSessions}`;
  }

  /** Returns the marks and versions that were acknowledged as saved but are missing at the person's server. */
  async findLostWrites(person) {
    const acknowledged = this.editors.flatMap(({ saved }) => saved ?? []);
    const { content, version } = await readDocument(person, this.document);
    const lost = [];
    for (const saved of acknowledged) {
      if (saved.version > version) lost.push(`version ${saved.version}, the head is ${version}`);
      const isSaved = ({ client, clock }) => clock <= (saved.stateVector.get(client) ?? 0);
      lost.push(...this.marks.filter((entry) => isSaved(entry) && !content.includes(entry.mark)).map(({ mark }) => mark));
    }
    return lost;
  }

  /** Closes all editors and subscribers. */
  async close() {
    for (const editor of this.editors) editor.close();
    await Promise.all(this.subscribers.map((subscriber) => subscriber.close()));
  }
}

function stateOf(doc) {
  return JSON.stringify([...Y.decodeStateVector(Y.encodeStateVector(doc))].sort(([a], [b]) => a - b));
}

/** Describes where two texts begin to differ. Returns undefined if they are equal. */
function difference(left, right) {
  if (left === right) return undefined;
  let at = 0;
  while (left[at] === right[at]) at += 1;
  const around = (text) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 40));
  return `at ${at}, ${around(left)} (${left.length}) and ${around(right)} (${right.length})`;
}
