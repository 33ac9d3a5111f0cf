// A browser tab of a person: one graphql-ws client with its socket, and a document open in it.

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
  /** Connects as `person`; the session is the server's name for this tab. */
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

  /** Connects and listens to everything about a document; returns once the tab is present in it. */
  static async open(person, document) {
    const tab = await Tab.connect(person);
    // The first seat makes a tab present: with presence first, whoever is listed surely hears who comes next.
    tab.#listen('presence', document);
    await until(`${person.name} is present`, async () =>
      (await presentSessions(person, document)).includes(tab.session),
    );
    tab.#listen('changes', document);
    tab.#listen('cursors', document);
    return tab;
  }

  #listen(topic, document) {
    const [field, query] = TOPICS[topic];
    this[topic] = new Stream(`${this.person.name}'s ${topic}`);
    this.client.subscribe({ query, variables: { id: document } }, this[topic].sink(field));
  }

  /** The result of one operation over the socket; one that was refused outright holds only its errors. */
  ask(query, variables) {
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
    return within(answer, `${this.person.name}'s operation is answered`);
  }

  async close() {
    await this.client.dispose();
  }
}

/**
 * Returns once all `tabs` surely hear of changes. Being present is not enough, each subscription takes its own
 * seat: so `somebody` else renames the document until everyone has heard, and all of that is read.
 */
export async function allHearChanges(tabs, somebody, document) {
  let times = 0;
  const version = await until('Everyone hears of changes', async () => {
    const latest = await rename(somebody, document, `Can you hear me? (${(times += 1)})`);
    return tabs.every(({ changes }) => !changes.isEmpty) && latest;
  });
  for (const { changes } of tabs) {
    let heard;
    do heard = await changes.next();
    while (heard.version !== version);
  }
}
