// A Yjs editor of a person: a document with the unmodified y-websocket provider.

import assert from 'node:assert/strict';

import * as decoding from 'lib0/decoding';
import WebSocket from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

import { until, within } from './patience.js';

/** The message type of a save acknowledgement (docs/PROTOCOL.md). */
const SAVED = 100;

export class Editor {
  /**
   * Opens a document. Returns once it is synced, or immediately if `sync` or `connect` is false. `shows` is what the address
   * shows of the person, and `protocols` are the subprotocols that are offered.
   */
  static async open(person, document, options = {}) {
    const { sync = true, doc = new Y.Doc(), params = {}, connect = true, protocols = [] } = options;
    const { shows = { token: person.token } } = options;
    const editor = new Editor();
    editor.person = person;
    editor.doc = doc;
    editor.text = doc.getText('content');
    editor.saved = undefined;
    editor.denials = 0;
    editor.provider = new WebsocketProvider(person.server.sync, document, doc, {
      WebSocketPolyfill: WebSocket,
      params: { ...shows, ...params },
      protocols,
      disableBc: true,
      connect: false,
    });
    // Each provider has its own copy of the handlers.
    const { messageHandlers } = editor.provider;
    const auth = messageHandlers[2];
    messageHandlers[2] = (...message) => {
      const [, decoder] = message;
      if (decoder.arr[decoder.pos] === 0) editor.denials += 1;
      const { warn } = console;
      console.warn = () => {};
      auth(...message);
      console.warn = warn;
    };
    messageHandlers[SAVED] = (_encoder, decoder) => (editor.saved = readSaved(decoder, editor.saved));
    if (connect) editor.provider.connect();
    if (sync && connect) await editor.synced();
    return editor;
  }

  /** Returns once the editor has everything that the server had. */
  synced() {
    if (this.provider.synced) return undefined;
    const synced = new Promise((resolve) => this.provider.once('sync', resolve));
    return within(synced, `${this.person.name}'s editor is synced`);
  }

  get content() {
    return this.text.toString();
  }

  insert(position, text) {
    this.text.insert(Math.min(position, this.text.length), text);
  }

  append(text) {
    this.text.insert(this.text.length, text);
  }

  /** Waits until the text is `expected`. */
  expectText(expected) {
    return until(
      `${this.person.name}'s editor has the text ${JSON.stringify(expected.slice(0, 60))}`,
      () => this.content === expected,
      undefined,
      () => `the text is ${JSON.stringify(this.content.slice(0, 200))}`,
    );
  }

  /** Returns the awareness states of all other clients. */
  peers() {
    const { awareness } = this.provider;
    const states = [...awareness.getStates()].filter(([client]) => client !== awareness.clientID);
    return states.map(([client, state]) => ({ client, ...state }));
  }

  /** Waits until the server closes with a code after which the provider does not reconnect. Returns code and reason. */
  async expectClose() {
    const closed = new Promise((resolve) => this.provider.once('closed', resolve));
    return within(closed, `${this.person.name}'s editor is closed permanently`);
  }

  /** Abandons the connection without closing it, as when a laptop changes networks. Returns the open socket. */
  abandon() {
    const { provider } = this;
    const socket = provider.ws;
    Object.assign(socket, { onmessage: null, onopen: null, onclose: null, onerror: () => {} });
    Object.assign(provider, { ws: null, wsconnected: false, synced: false });
    return socket;
  }

  /** Uses the server of `person` from the next connection on. */
  moveTo(person) {
    this.person = person;
    this.provider.serverUrl = person.server.sync;
  }

  close() {
    this.provider.destroy();
    this.doc.destroy();
  }
}

/** Reads the version of a save acknowledgement, and adds its clocks to those of the acknowledgements before it. */
function readSaved(decoder, before) {
  const content = decoding.createDecoder(decoding.readVarUint8Array(decoder));
  const version = decoding.readVarUint(content);
  assert.ok(version > 0);
  const changed = Y.decodeStateVector(decoding.readTailAsUint8Array(content));
  return { version, stateVector: new Map([...(before?.stateVector ?? []), ...changed]) };
}
