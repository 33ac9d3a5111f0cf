// A browser tab of a person: a graphql-ws client with one socket, which may have one document open.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { presentSessions, rename } from './documents.js';
import { until, within } from './patience.js';
import { Stream } from './stream.js';

const TOPICS = {
  presence: [
    'presenceUpdated',
    `subscription ($id: ID!) {
      presenceUpdated(documentId: $id) {
        documentId kind presence { documentId sessionId user { id name } color joinedAt lastSeen }
      }
    }`,
  ],
  changes: [
    'documentChanged',
    `subscription ($id: ID!) {
      documentChanged(documentId: $id) {
        documentId kind version author { id name } sessionId title content changedAt
      }
    }`,
  ],
  cursors: [
    'cursorMoved',
    `subscription ($id: ID!) {
      cursorMoved(documentId: $id) {
        documentId sessionId user { id name } color cursor { line column anchor { line column } } movedAt
      }
    }`,
  ],
};

export class Tab {
  /** Connects as `person`. `session` is the session id that the server assigned to the tab. */
  static async connect(person) {
    const tab = new Tab();
    tab.person = person;
    const connected = new Promise((resolve, reject) => {
      tab.client = createClient({
        url: person.server.socket,
        webSocketImpl: WebSocket,
        lazy: false,
        retryAttempts: 0,
        connectionParams: { authToken: person.token },
        on: { connected: (_socket, ack) => resolve(ack) },
        onNonLazyError: reject,
      });
    });
    tab.ack = await within(connected, `${person.name} connects`);
    tab.session = tab.ack.sessionId;
    return tab;
  }

  /** Connects and subscribes to every topic of a document. Returns once the tab is present. */
  static async open(person, document) {
    const tab = await Tab.connect(person);
    // The first seat makes a tab present. Because presence comes first, a listed tab receives all later arrivals.
    tab.#subscribe('presence', document);
    await until(`${person.name} is present`, async () =>
      (await presentSessions(person, document)).includes(tab.session),
    );
    tab.#subscribe('changes', document);
    tab.#subscribe('cursors', document);
    return tab;
  }

  #subscribe(topic, document) {
    const [field, query] = TOPICS[topic];
    this[topic] = new Stream(`${this.person.name}'s ${topic}`);
    this.client.subscribe({ query, variables: { id: document } }, this[topic].sink(field));
  }

  /** Runs one operation over the socket. The result of a refused operation has only `errors`. */
  run(query, variables, limit = undefined) {
    const answer = new Promise((resolve, reject) => {
      let result;
      this.client.subscribe(
        { query, variables },
        {
          next: (value) => (result = value),
          error: (errors) => (Array.isArray(errors) ? resolve({ errors }) : reject(errors)),
          complete: () => resolve(result),
        },
      );
    });
    return within(answer, `${this.person.name}'s operation is answered`, limit);
  }

  async close() {
    await this.client.dispose();
  }
}

/**
 * Returns once every tab receives changes. Presence does not show this, because each subscription takes a seat of its own.
 * Therefore `author`, who uses none of the tabs, renames the document until every tab has received a change. All of these
 * changes are consumed.
 */
export async function confirmChangeSubscriptions(tabs, author, document) {
  let markers = 0;
  const version = await until('Every tab receives changes', async () => {
    const latest = await rename(author, document, `Marker ${(markers += 1)}`);
    return tabs.every(({ changes }) => !changes.isEmpty) && latest;
  });
  for (const { changes } of tabs) {
    let received;
    do received = await changes.next();
    while (received.version !== version);
  }
}
