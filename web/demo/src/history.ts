// The history panel: who changed the document and when, the document as it was then, and a button that restores it.

import { DOMSerializer, type Schema } from '@tiptap/pm/model';
import { yXmlFragmentToProseMirrorRootNode } from '@tiptap/y-tiptap';
import * as Y from 'yjs';

import { describeHiddenBody, FIELD } from './body';
import { element, icon } from './dom';
import { messageOf, type Session } from './session';

interface Entry {
  fromVersion: number;
  toVersion: number;
  endedAt: string;
  author: { name: string } | null;
}

interface Page {
  nodes: Entry[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

const HISTORY = `query ($id: ID!, $after: String) {
  documentHistory(documentId: $id, after: $after) {
    nodes { fromVersion toVersion endedAt author { name } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const VERSION = 'query ($id: ID!, $version: Int!) { documentAt(documentId: $id, version: $version) { update } }';
const RESTORE = `mutation ($id: ID!, $version: Int!) {
  restoreDocument(documentId: $id, version: $version) { version }
}`;

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

interface Options {
  session: Session;
  documentId: string;
  /** The schema of the editor, which says how the nodes of a document are shown. */
  schema: Schema;
  mayEdit: () => boolean;
  onClose: () => void;
}

export class HistoryPanel {
  readonly element: HTMLElement;
  readonly #options: Options;
  readonly #entries = element('ol', { class: 'entries' });
  readonly #older = button('Show older', 'quiet', () => this.#attempt(this.#load(this.#cursor)));
  readonly #caption = element('p', { class: 'caption', 'aria-live': 'polite' });
  readonly #slider = element('input', {
    type: 'range',
    'aria-label': 'Version',
    input: () => this.#attempt(this.#show(this.#slider.valueAsNumber)),
  });
  readonly #restore = button('Restore this version', 'primary', () => this.#attempt(this.#restoreShown()));
  readonly #version = element('div', {
    class: 'prose version',
    role: 'document',
    'aria-label': 'The document as it was',
    tabindex: '0',
  });
  #cursor: string | null = null;
  #chosen: Entry | undefined;
  /** The version that was asked for last. */
  #shown = 0;
  #newest = 0;
  #following: ReturnType<typeof setTimeout> | undefined;

  constructor(options: Options) {
    this.#options = options;
    const close = element(
      'button',
      { type: 'button', class: 'tool', 'aria-label': 'Close the history', click: options.onClose },
      icon('close'),
    );
    const bar = element('div', { class: 'past-bar' }, this.#caption, this.#slider, this.#restore);
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && options.onClose();
    this.element = element(
      'section',
      { class: 'history', 'aria-label': 'History', hidden: true, keydown: escape },
      element('header', {}, element('h2', { tabindex: '-1' }, 'History'), close),
      element('nav', { 'aria-label': 'Versions' }, this.#entries, this.#older),
      element('div', { class: 'past' }, bar, this.#version),
    );
  }

  /** Shows the panel with the newest entries. */
  open(): void {
    this.element.hidden = false;
    this.element.querySelector('h2')!.focus();
    this.#attempt(this.#loadNewest());
  }

  close(): void {
    this.element.hidden = true;
  }

  /** Looks for newer versions after a while, because the document has changed. */
  followSoon(): void {
    this.#following ??= setTimeout(() => {
      this.#following = undefined;
      if (!this.element.hidden) this.#attempt(this.#follow());
    }, 1000);
  }

  /** Shows why an operation has failed. */
  #attempt(work: Promise<unknown>): void {
    work.catch((cause) => (this.#caption.textContent = messageOf(cause)));
  }

  async #loadNewest(): Promise<void> {
    const [newest] = await this.#load(null);
    this.#newest = newest?.toVersion ?? 0;
    if (newest) await this.#choose(newest);
  }

  /** Who looks at the newest version is shown the newer one. The list stays as it is for those who look at an older one. */
  async #follow(): Promise<void> {
    const [newest] = (await this.#loadPage(null)).nodes;
    const isFollowed = this.#shown === this.#newest;
    if (!newest || newest.toVersion === this.#newest) return;
    this.#newest = newest.toVersion;
    if (!isFollowed) return;
    const hasFocus = this.#entries.contains(document.activeElement);
    await this.#loadNewest();
    if (hasFocus) this.#entries.querySelector('button')?.focus();
  }

  async #loadPage(after: string | null): Promise<Page> {
    const { session, documentId } = this.#options;
    const { documentHistory } = await session.run<{ documentHistory: Page }>(HISTORY, { id: documentId, after });
    return documentHistory;
  }

  /** Shows the entries after a cursor below the others, or without one the newest entries in place of all. */
  async #load(after: string | null): Promise<Entry[]> {
    const documentHistory = await this.#loadPage(after);
    if (after === null) this.#entries.replaceChildren();
    this.#cursor = documentHistory.pageInfo.endCursor;
    this.#older.hidden = !documentHistory.pageInfo.hasNextPage;
    this.#entries.append(...documentHistory.nodes.map((entry) => this.#item(entry)));
    return documentHistory.nodes;
  }

  #item(entry: Entry): HTMLElement {
    const { fromVersion, toVersion } = entry;
    const versions = fromVersion === toVersion ? `Version ${toVersion}` : `Versions ${fromVersion}–${toVersion}`;
    const choice = element(
      'button',
      { type: 'button', 'data-version': String(toVersion), click: () => this.#attempt(this.#choose(entry)) },
      element('strong', {}, authorOf(entry)),
      element('time', { datetime: entry.endedAt }, TIME.format(new Date(entry.endedAt))),
      element('span', {}, versions),
    );
    return element('li', {}, choice);
  }

  async #choose(entry: Entry): Promise<void> {
    this.#chosen = entry;
    for (const choice of this.#entries.querySelectorAll('button')) {
      choice.ariaCurrent = choice.dataset.version === String(entry.toVersion) ? 'true' : null;
    }
    // An entry has many versions, which the slider leads through.
    this.#slider.min = String(entry.fromVersion);
    this.#slider.max = String(entry.toVersion);
    this.#slider.value = String(entry.toVersion);
    this.#slider.hidden = entry.fromVersion === entry.toVersion;
    await this.#show(entry.toVersion);
  }

  async #show(version: number): Promise<void> {
    const { session, documentId, schema, mayEdit } = this.#options;
    this.#shown = version;
    const { documentAt } = await session.run<{ documentAt: { update: string } }>(VERSION, { id: documentId, version });
    if (this.#shown !== version || !this.#chosen) return;
    const doc = new Y.Doc();
    Y.applyUpdate(doc, Uint8Array.from(atob(documentAt.update), (character) => character.charCodeAt(0)));
    const root = yXmlFragmentToProseMirrorRootNode(doc.getXmlFragment(FIELD), schema);
    this.#version.replaceChildren(DOMSerializer.fromSchema(schema).serializeFragment(root.content));
    const hidden = describeHiddenBody(doc);
    if (hidden) this.#version.prepend(element('p', { class: 'empty', role: 'status' }, hidden));
    else if (root.content.size === 0) this.#version.append(element('p', { class: 'empty' }, 'The document was empty.'));
    const now = version === this.#newest ? ', the newest' : '';
    this.#caption.textContent = `Version ${version}${now}, by ${authorOf(this.#chosen)}`;
    this.#restore.hidden = !mayEdit();
    this.#restore.disabled = version === this.#newest;
  }

  async #restoreShown(): Promise<void> {
    const { session, documentId, onClose } = this.#options;
    await session.run(RESTORE, { id: documentId, version: this.#shown });
    // The restored content arrives in the editor like every other change.
    onClose();
  }
}

/** The author of an entry. A compaction has none, and neither have changes of a deleted account. */
function authorOf({ author }: Entry): string {
  return author?.name ?? 'No author';
}

function button(text: string, style: string, onClick: () => void): HTMLButtonElement {
  return element('button', { type: 'button', class: style, click: onClick }, text);
}
