// A Yjs editor of a person: a document with the stock y-websocket provider, as published.

import assert from 'node:assert/strict';

import * as decoding from 'lib0/decoding';
import WebSocket from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

import { until, within } from './patience.js';

/** The message type with which the server says what is stored (docs/PROTOCOL.md). */
const SAVED = 100;

export class Editor {
  /** Opens a document, and returns once it is synced unless `sync` is false. */
  static async open(person, document, { sync = true, doc = new Y.Doc(), params = {}, connect = true } = {}) {
    const editor = new Editor();
    editor.person = person;
    editor.doc = doc;
    editor.text = doc.getText('content');
    editor.saved = undefined;
    editor.denied = 0;
    editor.provider = new WebsocketProvider(person.server.sync, document, doc, {
      WebSocketPolyfill: WebSocket,
      params: { token: person.token, ...params },
      disableBc: true,
      connect: false,
    });
    // Of the handlers it has, each provider has its own.
    const { messageHandlers } = editor.provider;
    const auth = messageHandlers[2];
    messageHandlers[2] = (...message) => {
      editor.denied += 1;
      const { warn } = console;
      console.warn = () => {};
      auth(...message);
      console.warn = warn;
    };
    messageHandlers[SAVED] = (_encoder, decoder) => (editor.saved = readSaved(decoder));
    if (connect) editor.provider.connect();
    if (sync && connect) await editor.synced();
    return editor;
  }

  /** Returns once everything that the server had is here. */
  synced() {
    if (this.provider.synced) return undefined;
    const synced = new Promise((resolve) => this.provider.once('sync', resolve));
    return within(synced, `${this.person.name}'s editor is synced`);
  }

  get content() {
    return this.text.toString();
  }

  insert(at, text) {
    this.text.insert(Math.min(at, this.text.length), text);
  }

  append(text) {
    this.text.insert(this.text.length, text);
  }

  /** Returns once the text is `expected`. */
  reads(expected) {
    return until(
      `${this.person.name}'s editor reads ${JSON.stringify(expected.slice(0, 60))}`,
      () => this.content === expected,
      undefined,
      () => `it reads ${JSON.stringify(this.content.slice(0, 200))}`,
    );
  }

  /** The states of everybody else, by the id of the user. */
  others() {
    const { awareness } = this.provider;
    const states = [...awareness.getStates()].filter(([client]) => client !== awareness.clientID);
    return states.map(([client, state]) => ({ client, ...state }));
  }

  /** The code and reason with which the provider gave up for good. */
  async closed() {
    const closed = new Promise((resolve) => this.provider.once('closed', resolve));
    return within(closed, `${this.person.name}'s editor is closed for good`);
  }

  /** Forgets its connection, which stays open, as when a laptop changes networks: the socket. */
  abandon() {
    const { provider } = this;
    const socket = provider.ws;
    Object.assign(socket, { onmessage: null, onopen: null, onclose: null, onerror: () => {} });
    Object.assign(provider, { ws: null, wsconnected: false, synced: false });
    return socket;
  }

  /** Goes on at another server, from the next connection on. */
  moveTo(person) {
    this.person = person;
    this.provider.serverUrl = person.server.sync;
  }

  close() {
    this.provider.destroy();
    this.doc.destroy();
  }
}

/** Version and state vector, in lib0's encoding. */
function readSaved(decoder) {
  const content = decoding.createDecoder(decoding.readVarUint8Array(decoder));
  const version = decoding.readVarUint(content);
  assert.ok(version > 0);
  return { version, stateVector: Y.decodeStateVector(decoding.readTailAsUint8Array(content)) };
}
