// A document that is open: its Yjs document, the connection to the server, the copy in the browser, and what is known about them.
//
// This is the part to copy into an application. It uses the stock provider of Hocuspocus.

import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider';
import { IndexeddbPersistence } from 'y-indexeddb';
import * as Y from 'yjs';

import { OperationError, type Session } from './session';

/** Everybody who has the document open, as the server describes them in the awareness. */
export interface Person {
  id: string;
  name: string;
  color: string;
}

export type Status =
  | { kind: 'opening' }
  /** The server has not acknowledged all changes yet. */
  | { kind: 'saving' }
  /** Everything is stored. `hasSaved` is whether the server has acknowledged something from here; the version is the newest known. */
  | { kind: 'saved'; hasSaved: boolean; version: number | undefined }
  /** The server has refused a change, which is kept here only. */
  | { kind: 'unsaved'; reason: string }
  /** There is no connection. Changes survive a reload only if the browser keeps a copy. */
  | { kind: 'offline'; keepsCopy: boolean }
  /** The connection is lost, or the server does not admit the user for now, for this reason. */
  | { kind: 'reconnecting'; reason: string | undefined }
  /** The server does not open the document, or has closed it. Reloading the page tries again. */
  | { kind: 'refused'; reason: string; cause: Refusal; keepsCopy: boolean };

/**
 * Why the document is not open: the server has not opened it, the user has lost the access, the copy belongs to another history of
 * the document, or the server cannot go on with the document, for example after a fault. Only a copy of another history is useless.
 */
export type Refusal = 'not opened' | 'changed access' | 'other history' | 'closed';

/** The code of the provider for a document that the server has closed. The socket stays open. */
const DOCUMENT_CLOSED = 1000;

/** The reason of the server for a copy of another history: the document was compacted, or a backup of it was restored. */
const OTHER_HISTORY = 'unrelated_history';

/** The code with which the server closes a connection for a reason that may pass, such as a limit. */
const TRY_AGAIN_LATER = 1013;

/** Messages of the server itself begin with this, and are JSON. */
const SERVER_MESSAGE = 'coscribe:';
type ServerMessage =
  | { type: 'saved'; version: number }
  // The reason is there if the server closes the document.
  | { type: 'notice'; message: string; reason?: string };

export class Collaboration {
  readonly doc = new Y.Doc();
  readonly provider: HocuspocusProvider;
  readonly #socket: HocuspocusProviderWebsocket;
  readonly #copy: IndexeddbPersistence;
  readonly #listeners = new Set<() => void>();

  #mayEdit = false;
  #wasOpen = false;
  #worksOffline = false;
  #keepsCopy = true;
  #hasSaved = false;
  /** The newest version that is known. */
  #version: number | undefined;
  #question: ReturnType<typeof setTimeout> | undefined;
  #notice: string | undefined;
  #refusal: { reason: string; cause: Refusal } | undefined;
  /** Whether to connect no more, because the same connection would be refused again. */
  #isOver = false;
  /** Why the server closed the connection last, if that may pass. */
  #obstacle: string | undefined;

  constructor(
    readonly documentId: string,
    readonly session: Session,
  ) {
    // What is typed offline survives a reload. Each user has a copy of their own.
    this.#copy = new IndexeddbPersistence(`${copiesOf(session.account.id)}${documentId}`, this.doc);

    // With `saved`, the server says after each commit which version is stored.
    const address = new URL('collab?saved=true', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    this.#socket = new HocuspocusProviderWebsocket({ url: address.href, autoConnect: false, maxDelay: 5000 });
    this.provider = new HocuspocusProvider({
      websocketProvider: this.#socket,
      name: documentId,
      document: this.doc,
      // Asked for at each connection, so it is never an expired one.
      token: () => this.#token(),
    });
    this.provider.on('authenticated', ({ scope }: { scope: string }) => this.#authenticated(scope));
    this.provider.on('authenticationFailed', ({ reason }: { reason: string }) => this.#refused(reason));
    this.provider.on('close', ({ event }: { event: { code: number; reason: string } }) => this.#closed(event));
    this.provider.on('stateless', ({ payload }: { payload: string }) => this.#receive(payload));
    this.provider.on('synced', () => this.#synced());
    for (const event of ['status', 'unsyncedChanges', 'awarenessChange']) this.provider.on(event, this.#changed);
    this.provider.attach();
    this.doc.on('update', (_update: Uint8Array, origin: unknown) => {
      if (origin === this.provider) this.#askVersionSoon();
      this.#changed();
    });

    // An open socket needs the new token before the old one expires.
    session.onRenewed(() => void (this.provider.isAuthenticated && this.provider.sendToken()));
    window.addEventListener('online', this.#connect);
    window.addEventListener('offline', this.#connect);
    // A browser that stores nothing, for example because its user has blocked that, has no copy.
    const withoutCopy = () => void (this.#keepsCopy = false);
    void this.#copy._db.then(() => this.#copy.whenSynced.then(() => {}), withoutCopy).then(this.#connect);
  }

  /** Calls `listener` after each change of what this object tells. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  get status(): Status {
    if (this.#refusal) return { kind: 'refused', ...this.#refusal, keepsCopy: this.#keepsCopy };
    if (this.isOffline) return { kind: 'offline', keepsCopy: this.#keepsCopy };
    if (!this.provider.isAuthenticated || !this.provider.synced) {
      const isNew = !this.#wasOpen && !this.#obstacle;
      return isNew ? { kind: 'opening' } : { kind: 'reconnecting', reason: this.#obstacle };
    }
    if (this.#notice) return { kind: 'unsaved', reason: this.#notice };
    // The server acknowledges a change when it is stored, not when it is received.
    if (this.#mayEdit && this.provider.hasUnsyncedChanges) return { kind: 'saving' };
    return { kind: 'saved', hasSaved: this.#hasSaved, version: this.#version };
  }

  /** Whether the document was received from the server. */
  get wasOpen(): boolean {
    return this.#wasOpen;
  }

  /** Whether the user may edit: the level that the server told last. */
  get mayEdit(): boolean {
    return this.#mayEdit && !this.#refusal;
  }

  get isOffline(): boolean {
    return this.#worksOffline || !navigator.onLine;
  }

  /** Everybody who has the document open, the user first, each once however many tabs they have. */
  get people(): Person[] {
    const states = [...(this.provider.awareness?.getStates() ?? [])];
    const own = ([client]: [number, unknown]) => client === this.doc.clientID;
    const users = [...states.filter(own), ...states.filter((state) => !own(state))].map(([, { user }]) => user as Person);
    return [...new Map(users.filter((user) => user?.id).map((user) => [user.id, user])).values()];
  }

  /** Disconnects as if there were no network, or connects again. */
  workOffline(isOffline: boolean): void {
    this.#worksOffline = isOffline;
    this.#connect();
  }

  /** Removes the copy in the browser, with everything in it that the server does not have. */
  async discardCopy(): Promise<void> {
    if (this.#keepsCopy) await this.#copy.clearData();
  }

  /** Connects or disconnects, as it should be now. */
  readonly #connect = (): void => {
    if (this.isOffline || this.#isOver) {
      this.#socket.disconnect();
    } else {
      // With this, a socket that is still closing is opened again later. The provider itself waits longer after each failure.
      this.#socket.shouldConnect = true;
      void this.#socket.connect();
    }
    this.#changed();
  };

  #authenticated(scope: string): void {
    this.#mayEdit = scope === 'read-write';
    this.#refusal = this.#obstacle = undefined;
    this.#changed();
  }

  #synced(): void {
    this.#wasOpen = true;
    void this.#askVersion();
    this.#changed();
  }

  /** Asks for the newest version in a moment. The server tells the versions of own changes only. */
  #askVersionSoon(): void {
    this.#question ??= setTimeout(() => {
      this.#question = undefined;
      void this.#askVersion();
    }, 1000);
  }

  async #askVersion(): Promise<void> {
    const query = 'query ($id: ID!) { document(id: $id) { version } }';
    type Answer = { document: { version: number } | null };
    // After a failure, the next change asks again.
    const answer = await this.session.run<Answer>(query, { id: this.documentId }).catch(() => undefined);
    if (answer?.document) this.#noteVersion(answer.document.version);
    this.#changed();
  }

  #noteVersion(version: number): void {
    this.#version = Math.max(version, this.#version ?? 0);
  }

  /** Returns a token. Without a network it waits for one: the provider takes an error for a refusal. */
  async #token(): Promise<string> {
    for (;;) {
      try {
        return await this.session.token();
      } catch (cause) {
        if (cause instanceof OperationError && cause.code === 'UNAUTHENTICATED') {
          this.#end(cause.message, 'changed access');
          throw cause;
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  /** Tells why the server does not open the document. If it closes the connection as well, the provider tries again. */
  #refused(reason: string, cause: Refusal = this.#wasOpen ? 'changed access' : 'not opened'): void {
    this.#refusal ??= { reason, cause };
    this.#changed();
  }

  /** Stops, because the same connection would be refused again. */
  #end(reason: string, cause?: Refusal): void {
    this.#refused(reason, cause);
    this.#isOver = true;
    this.#connect();
  }

  #closed({ code, reason }: { code: number; reason: string }): void {
    if (code === DOCUMENT_CLOSED) {
      // The server gives a reason when it closes one document. It has said more already.
      if (reason) this.#end(reason, 'closed');
    } else if (code >= 4400 && code < 4500) {
      this.#end(reason);
    } else if (!this.#isOver) {
      // The provider connects again.
      this.#refusal = undefined;
      this.#obstacle = code === TRY_AGAIN_LATER ? reason : undefined;
    }
    this.#changed();
  }

  #receive(payload: string): void {
    if (!payload.startsWith(SERVER_MESSAGE)) return;
    const message: ServerMessage = JSON.parse(payload.slice(SERVER_MESSAGE.length));
    if (message.type === 'saved') {
      this.#noteVersion(message.version);
      this.#hasSaved = true;
      this.#notice = undefined;
    } else if (message.type === 'notice' && message.reason) {
      this.#end(message.message, message.reason === OTHER_HISTORY ? 'other history' : 'closed');
    } else if (message.type === 'notice') {
      this.#notice = message.message;
    }
    this.#changed();
  }

  readonly #changed = (): void => {
    for (const listener of this.#listeners) listener();
  };
}

/** Removes all copies of a user's documents in this browser, for example when the user signs out. */
export async function removeCopies(userId: string): Promise<void> {
  const databases = await indexedDB.databases().catch(() => []); // A browser that stores nothing has none.
  for (const { name } of databases) {
    if (name?.startsWith(copiesOf(userId))) indexedDB.deleteDatabase(name);
  }
}

/** Returns what the names of a user's copies begin with. */
function copiesOf(userId: string): string {
  return `coscribe/${userId}/`;
}
