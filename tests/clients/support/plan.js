// Seeded plans: people write in one document at random, in Yjs editors and over GraphQL, while they come and go. At rest
// everybody and the database agree, and every mark that somebody wrote is there once.
//
// A plan follows from its seed; what happens at the same time does so in any order. `COSCRIBE_SEED=n` runs a test with
// this seed alone, `COSCRIBE_SEEDS=n` with so many new ones.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setImmediate as whatElseHappens } from 'node:timers/promises';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import * as Y from 'yjs';

import { applied } from './delta.js';
import { createDocument, grant, readDocument } from './documents.js';
import { Editor } from './editor.js';
import { until } from './patience.js';
import { data, Person } from './person.js';

const LETTERS = ['a', 'b', 'word ', ' ', '\n', 'ö', 'e\u0301', '🎈', '👨‍👩‍👧', '𝒳', '\u{10fffd}', '漢字'];

/** Whoever lost a server tries again after so long, for at most so long. */
const TRY_AGAIN_MS = 30;
const AT_REST_WITHIN_MS = 30_000;
/** Less than `room.awareness_every`: nobody has to wait until all is told again. */
export const SEEN_WITHIN_MS = 5_000;
/**
 * Clocks of awareness begin with the time again. In a plan more come in a second than people do in a minute, so that clocks
 * run ahead of the time, which has to catch up before all is told again.
 */
export const SEEN_AFTER_RESTART_MS = 40_000;

/** SplitMix64: the same numbers for the same seed, on every machine. */
export class Dice {
  #state;

  constructor(seed) {
    this.#state = BigInt.asUintN(64, BigInt(seed));
  }

  below(bound) {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let mixed = this.#state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    mixed ^= mixed >> 31n;
    return Number(mixed % BigInt(bound));
  }

  oneOf(list) {
    return list[this.below(list.length)];
  }

  letters(most) {
    return Array.from({ length: 1 + this.below(most) }, () => this.oneOf(LETTERS)).join('');
  }

  /** Somewhere in a text: not inside a mark, which is counted in the end, and not inside a character. */
  place(text) {
    let at = this.below(text.length + 1);
    if (at > 0 && text.lastIndexOf('<', at - 1) > text.lastIndexOf('>', at - 1)) at = text.indexOf('>', at) + 1;
    return behindPair(text, at);
  }

  /** How much of the text at a place may go: up to half of what is there before the next mark, at least something. */
  stretch(text, at) {
    const mark = text.indexOf('<', at);
    const free = (mark < 0 ? text.length : mark) - at;
    return free === 0 ? 0 : behindPair(text, at + 1 + this.below(Math.ceil(free / 2))) - at;
  }
}

/** The place itself, or the one behind the surrogate pair that it is in. */
function behindPair(text, at) {
  const isInside = /[\ud800-\udbff]/.test(text[at - 1] ?? '') && /[\udc00-\udfff]/.test(text[at] ?? '');
  return isInside ? at + 1 : at;
}

/** Somebody at another server than where he has his account from. */
export function at(server, person) {
  return new Person(server, { ...person, server });
}

/** The seeds to try: those that every run tries, or those that were asked for. */
export function seeds(always) {
  const { COSCRIBE_SEED: one, COSCRIBE_SEEDS: many } = process.env;
  if (one) return [BigInt(one)];
  if (!many) return always;
  return Array.from({ length: Number(many) }, (_, n) => (BigInt(process.pid) << 32n) + BigInt(n));
}

/** A GraphQL client that composes what it is told, and goes on where it was after it lost its server. */
export class Composer {
  version = 1;
  text = '';
  /** The first thing that was not as it should be. */
  fault;
  #client;
  #again;

  constructor(person, document) {
    Object.assign(this, { person, document, doc: new Y.Doc() });
    this.connect();
  }

  connect() {
    if (this.isConnected) return;
    clearTimeout(this.#again);
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
    const ended = (why) => client === this.#client && this.#lost(why);
    this.#client = client;
    client.subscribe(
      { query, variables: { id: this.document, since: this.version } },
      { next: (result) => client === this.#client && this.#hear(result), error: ended, complete: ended },
    );
  }

  /** Goes on at another server, from the next connection on. */
  moveTo(person) {
    this.person = person;
  }

  async disconnect() {
    clearTimeout(this.#again);
    const client = this.#client;
    this.#client = undefined;
    // It rejects with what was wrong with a connection that was just being made.
    await client?.dispose().catch(() => {});
  }

  get isConnected() {
    return this.#client !== undefined;
  }

  #hear({ data: heard, errors }) {
    if (errors) return this.#complain(JSON.stringify(errors));
    const change = heard.documentChanged;
    if (change.version !== this.version + 1) {
      return this.#complain(`version ${change.version} came after version ${this.version}`);
    }
    this.version = change.version;
    this.text = applied(this.text, change.delta ?? []);
    if (change.update) Y.applyUpdate(this.doc, Buffer.from(change.update, 'base64'));
    if (this.text !== change.content) this.#complain(`the deltas up to version ${change.version} are not its text`);
    if (this.doc.getText('content').toString() !== change.content) {
      this.#complain(`the updates up to version ${change.version} are not its text`);
    }
  }

  #lost(why) {
    this.#client = undefined;
    const code = Array.isArray(why) ? why[0].extensions?.code : why?.code;
    // A refusal is none that a server gives because it goes, or comes.
    if (code !== undefined && code !== 'UNAVAILABLE' && !(code < 4400)) {
      return this.#complain(`it was sent away: ${JSON.stringify(why.reason ?? why)}`);
    }
    this.#again = setTimeout(() => this.connect(), TRY_AGAIN_MS);
  }

  #complain(fault) {
    this.fault ??= `${this.person.name}'s composed text: ${fault}`;
  }

  close() {
    this.doc.destroy();
    return this.disconnect();
  }
}

export class Plan {
  editors = [];
  composers = [];
  /** What was written and must be there in the end, with the client and clock of an editor's. */
  marks = [];
  #faults = [];
  /** Edits over GraphQL that were not acknowledged yet. */
  #writes = [];

  /** A document of the first of some people, which the others may edit. */
  static async begin(seed, people) {
    const plan = new Plan();
    const [owner, ...others] = people;
    const { id } = await createDocument(owner, `Plan ${seed}`);
    for (const other of others) await grant(owner, id, 'EDIT', other.email);
    Object.assign(plan, { dice: new Dice(seed), people, document: id });
    return plan;
  }

  /** Somebody opens an editor. */
  async edit(person, options = {}) {
    const editor = await Editor.open(person, this.document, { ...options, params: { saved: true } });
    editor.provider.on('closed', ({ code, reason }) => {
      this.#faults.push(`${person.name}'s editor was sent away: ${code} ${reason}`);
    });
    this.editors.push(editor);
    return editor;
  }

  /** Somebody composes what is told over GraphQL. */
  compose(person) {
    const composer = new Composer(person, this.document);
    this.composers.push(composer);
    return composer;
  }

  /** Whoever is at another server goes over to this one, with what he has. */
  move(server) {
    this.people = this.people.map((person) => at(server, person));
    for (const one of [...this.editors, ...this.composers]) one.moveTo(at(server, one.person));
  }

  /** Some steps at random. */
  async run(steps) {
    for (let step = 0; step < steps; step += 1) {
      await this.#step();
      await whatElseHappens();
    }
  }

  async #step() {
    const { dice } = this;
    const editor = dice.oneOf(this.editors);
    switch (dice.below(20)) {
      case 0: case 1: case 2: case 3: case 4:
        return this.#type(editor);
      case 5: case 6:
        return this.#mark(editor);
      case 7: case 8: case 9: case 10:
        return this.#delete(editor);
      case 11:
        return editor.provider.shouldConnect ? editor.provider.disconnect() : editor.provider.connect();
      case 12: {
        // At once again: what the old connection carried may still be under way.
        editor.provider.disconnect();
        return editor.provider.connect();
      }
      case 13:
        return this.#point(editor);
      case 14: case 15:
        return this.#write(dice.oneOf(this.composers));
      case 16: {
        const composer = dice.oneOf(this.composers);
        if (!composer.isConnected) return composer.connect();
        await composer.disconnect();
        return dice.below(2) === 0 ? composer.connect() : undefined;
      }
      case 17:
        return editor.doc.getMap('notes').set(`note ${dice.below(5)}`, dice.letters(2));
      default:
        // Time for what is under way. There may be no server now.
        return readDocument(dice.oneOf(this.people), this.document).catch(() => {});
    }
  }

  /** A few letters, one after the other. */
  #type(editor) {
    const at = this.dice.place(editor.content);
    [...this.dice.letters(4)].reduce((place, letter) => {
      editor.insert(place, letter);
      return place + letter.length;
    }, at);
  }

  #mark(editor) {
    const mark = this.#nextMark();
    editor.insert(this.dice.place(editor.content), mark);
    const { clientID: client, store } = editor.doc;
    this.marks.push({ mark, client, clock: Y.getState(store, client) });
  }

  #delete(editor) {
    const at = this.dice.place(editor.content);
    editor.text.delete(at, this.dice.stretch(editor.content, at));
  }

  #point(editor) {
    const at = () => {
      const place = this.dice.below(editor.text.length + 1);
      return Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(editor.text, place));
    };
    editor.provider.awareness.setLocalStateField('cursor', { anchor: at(), head: at() });
  }

  /** Somebody writes over GraphQL, for the text that a composer has. */
  #write({ version, text }) {
    const { dice } = this;
    const mark = this.#nextMark();
    const at = dice.place(text);
    const deleted = dice.below(2) === 0 ? dice.stretch(text, at) : 0;
    const delta = [{ retain: at }, { insert: dice.letters(2) + mark }, { delete: deleted }];
    this.marks.push({ mark });
    const mutation = `mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID) {
      editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name) { version }
    }`;
    const steps = delta.filter((step) => Object.values(step)[0] !== 0);
    const variables = { id: this.document, base: version, delta: steps, name: randomUUID() };
    const write = until(`${mark} is acknowledged`, () => this.#send(mutation, variables), AT_REST_WITHIN_MS);
    this.#writes.push(write.catch((error) => this.#faults.push(error.message)));
  }

  /** Sends an edit, to anybody's server. False if it is not known whether it was stored. */
  async #send(mutation, variables) {
    // Always the same author: an edit's name is his.
    const author = at(this.dice.oneOf(this.people).server, this.people[0]);
    const result = await author.ask(mutation, variables).catch(() => undefined);
    if (!result || result.errors?.[0].extensions?.code === 'UNAVAILABLE') return false;
    data(result);
    return true;
  }

  #nextMark() {
    return `<${this.marks.length}>`;
  }

  /** Everybody is connected, everything is told, and everybody agrees. What came of it. */
  async rest({ seenWithin = SEEN_WITHIN_MS } = {}) {
    for (const editor of this.editors) editor.provider.connect();
    for (const composer of this.composers) composer.connect();
    await Promise.all(this.#writes);
    await this.#settles('everybody agrees', () => this.#disagreement(), AT_REST_WITHIN_MS);
    const { content } = await readDocument(this.people[0], this.document);
    this.#count(content);
    await this.#settles('everybody sees everybody', () => this.#blindness(), seenWithin);
    return content;
  }

  /** Each mark is there once. */
  #count(content) {
    const found = content.match(/<\d+>/g) ?? [];
    const times = (mark) => found.filter((other) => other === mark).length;
    const lost = this.marks.filter(({ mark }) => times(mark) === 0).map(({ mark }) => mark);
    const doubled = this.marks.filter(({ mark }) => times(mark) > 1).map(({ mark }) => mark);
    assert.deepEqual({ lost, doubled, found: found.length }, { lost: [], doubled: [], found: this.marks.length });
  }

  async #settles(what, complaint, limit) {
    let last;
    const faults = () => [...this.#faults, ...this.composers.flatMap(({ fault }) => fault ?? [])];
    const settled = async () => {
      last = await complaint();
      return last === undefined || faults().length > 0;
    };
    await until(what, settled, limit).catch((error) => this.#faults.push(`${error.message}; ${last}`));
    assert.deepEqual(faults(), []);
  }

  /** The first thing in which somebody differs from the database. */
  async #disagreement() {
    const { content, version } = await readDocument(this.people[0], this.document);
    const [first] = this.editors;
    for (const { person, text, doc, provider, denied } of this.editors) {
      if (denied > 0) return `${person.name} was refused something`;
      if (!provider.synced) return `${person.name} is not synced`;
      const differs = difference(text.toString(), content);
      if (differs) return `${person.name}'s editor differs from the database: ${differs}`;
      const clocks = difference(stateOf(doc), stateOf(first.doc));
      if (clocks) return `${person.name} knows other changes: ${clocks}`;
      const notes = (of) => JSON.stringify(Object.entries(of.getMap('notes').toJSON()).sort());
      const differ = difference(notes(doc), notes(first.doc));
      if (differ) return `${person.name} has other notes: ${differ}`;
    }
    for (const composer of this.composers) {
      if (composer.version !== version) return `a composer is at version ${composer.version} of ${version}`;
      const differs = difference(composer.text, content);
      if (differs) return `a composed text differs from the database: ${differs}`;
    }
    return undefined;
  }

  /** The first thing in which awareness and presence are not who is here. */
  async #blindness() {
    const query = 'query ($id: ID!) { documentPresence(documentId: $id) { sessionId user { id } } }';
    const here = this.editors.length + this.composers.length;
    const themselves = [];
    for (const editor of this.editors) {
      const { name, id } = editor.person;
      const present = data(await editor.person.ask(query, { id: this.document })).documentPresence;
      if (present.length !== here) return `${present.map(({ sessionId }) => sessionId)} are present, ${here} should be`;
      const others = editor.others();
      const seen = others.map(({ user }) => user.sessionId);
      const unseen = present.filter(({ sessionId }) => !seen.includes(sessionId));
      // The one that an editor does not see among the others is itself.
      if (seen.length !== here - 1 || unseen.length !== 1 || unseen[0].user.id !== id) {
        return `${name} sees ${others.map(({ client, user }) => `${user.name} (${client})`)}, of ${here - 1} others`;
      }
      themselves.push(unseen[0].sessionId);
    }
    return new Set(themselves).size === themselves.length ? undefined : `two are one session: ${themselves}`;
  }

  /** Of what editors were told by now that it is stored, the marks that are not in the database of a server. */
  async broken(person) {
    const told = this.editors.flatMap(({ saved }) => saved ?? []);
    const { content, version } = await readDocument(person, this.document);
    const lost = [];
    for (const saved of told) {
      if (saved.version > version) lost.push(`version ${saved.version} of ${version}`);
      const isSaved = ({ client, clock }) => clock <= (saved.stateVector.get(client) ?? 0);
      lost.push(...this.marks.filter((one) => isSaved(one) && !content.includes(one.mark)).map(({ mark }) => mark));
    }
    return lost;
  }

  /** Everybody leaves. */
  async close() {
    for (const editor of this.editors) editor.close();
    await Promise.all(this.composers.map((composer) => composer.close()));
  }
}

function stateOf(doc) {
  return JSON.stringify([...Y.decodeStateVector(Y.encodeStateVector(doc))].sort(([a], [b]) => a - b));
}

/** Where two texts begin to differ, for people; nothing if they do not. */
function difference(left, right) {
  if (left === right) return undefined;
  let at = 0;
  while (left[at] === right[at]) at += 1;
  const around = (text) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 40));
  return `at ${at}, ${around(left)} (${left.length}) and ${around(right)} (${right.length})`;
}
