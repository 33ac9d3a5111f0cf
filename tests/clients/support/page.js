// A page with the unmodified HocuspocusProvider: one socket, and any number of documents.

import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider';
import WebSocket from 'ws';
import * as Y from 'yjs';

import { until } from './patience.js';

export class Page {
  /** Opens a socket for a person. `query` is that of the address. */
  constructor(person, { query = '' } = {}) {
    this.person = person;
    this.socket = new HocuspocusProviderWebsocket({
      url: `${person.server.url.replace('http', 'ws')}/collab${query}`,
      WebSocketPolyfill: WebSocket,
      delay: 50,
      minDelay: 50,
      maxDelay: 200,
    });
    this.documents = [];
  }

  /** Opens a document. Returns once it is synced, unless `sync` is false. */
  async open(name, { sync = true, token = () => this.person.token, doc = new Y.Doc(), ...options } = {}) {
    const document = new PageDocument(this, name, token, doc, options);
    this.documents.push(document);
    if (sync) await until(`${this.person.name}'s document is synced`, () => document.provider.isSynced);
    return document;
  }

  /** Ends the connection. The providers connect again. */
  interrupt() {
    this.socket.webSocket.terminate();
  }

  close() {
    for (const { provider } of this.documents) provider.destroy();
    this.socket.destroy();
  }
}

class PageDocument {
  constructor(page, name, token, doc, options) {
    this.page = page;
    this.doc = doc;
    this.text = doc.getText('content');
    Object.assign(this, { scopes: [], denials: [], stateless: [], closes: [], counts: [] });
    this.provider = new HocuspocusProvider({
      websocketProvider: page.socket,
      name,
      document: doc,
      token,
      onAuthenticated: ({ scope }) => this.scopes.push(scope),
      onAuthenticationFailed: ({ reason }) => this.denials.push(reason),
      onStateless: ({ payload }) => this.stateless.push(payload),
      onClose: ({ event }) => this.closes.push(event),
      onUnsyncedChanges: ({ number }) => this.counts.push(number),
      ...options,
    });
    this.provider.attach();
  }

  get content() {
    return this.text.toString();
  }

  append(text) {
    this.text.insert(this.text.length, text);
  }

  /** The messages of the server, without those of other pages. */
  get told() {
    const own = this.stateless.filter((payload) => payload.startsWith('coscribe:'));
    return own.map((payload) => JSON.parse(payload.slice('coscribe:'.length)));
  }

  expectText(expected) {
    const what = `${this.page.person.name}'s document has the text ${JSON.stringify(expected.slice(0, 60))}`;
    return until(what, () => this.content === expected, undefined, () => `it has ${JSON.stringify(this.content.slice(0, 200))}`);
  }

  /** Waits until the provider shows no unsaved changes. */
  saved() {
    const { provider } = this;
    return until('The document is saved', () => !provider.hasUnsyncedChanges, undefined, () => `${provider.unsyncedChanges} changes are not`);
  }
}
