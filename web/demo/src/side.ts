// One side of the page: an open document as one user sees it.

import { Collaboration, type Refusal, type Status } from './collaboration';
import { element, icon } from './dom';
import { createEditor, createToolbar } from './editor';
import { HistoryPanel } from './history';
import type { Session } from './session';

const DOCUMENT = 'query ($id: ID!) { document(id: $id) { title presence { color user { id } } } }';
interface DocumentData {
  document: { title: string; presence: { color: string; user: { id: string } }[] } | null;
}

/** Opens a document for a user. `links` are shown beside the user's name. */
export function createSide(session: Session, documentId: string, ...links: HTMLElement[]): HTMLElement {
  const open = new Collaboration(documentId, session);
  const { name } = session.account;

  const title = element('h2', { class: 'title' }, 'Document');
  const people = element('ul', { class: 'people', 'aria-label': 'Who is here' });
  const status = element('p', { class: 'status' });
  const access = element('p', { class: 'access', role: 'status' });
  const isUseless = ({ status } = open) => status.kind === 'refused' && status.cause === 'other history';
  const reloadPage = async () => {
    if (isUseless()) await open.discardCopy();
    location.reload();
  };
  const reload = element('button', { type: 'button', class: 'quiet', hidden: true, click: () => void reloadPage() });

  const sheet = element('div', { class: 'sheet' });
  const editor = createEditor(open, sheet);
  const toolbar = createToolbar(editor, open);

  const history = new HistoryPanel({
    session,
    documentId,
    schema: editor.schema,
    mayEdit: () => open.mayEdit,
    onClose: () => {
      showHistory(false);
      historyButton.focus();
    },
  });
  open.doc.on('update', () => history.followSoon());
  const showHistory = (isShown: boolean) => {
    historyButton.ariaExpanded = String(isShown);
    side.classList.toggle('shows-history', isShown);
    if (isShown) history.open();
    else history.close();
  };
  const historyButton = element(
    'button',
    { type: 'button', class: 'quiet', 'aria-expanded': 'false', click: () => showHistory(history.element.hidden) },
    icon('history'),
    element('span', { class: 'label' }, 'History'),
  );
  const offlineButton = element(
    'button',
    { type: 'button', class: 'quiet', 'aria-pressed': 'false', click: () => open.workOffline(!open.isOffline) },
    icon('offline'),
    element('span', { class: 'label' }, 'Work offline'),
  );

  const side = element(
    'section',
    { class: 'side', 'aria-label': name },
    element('header', { class: 'who' }, people, ...links),
    element('div', { class: 'tools' }, toolbar, element('div', { class: 'switches' }, offlineButton, historyButton)),
    element('div', { class: 'desk' }, title, sheet, history.element),
    element('footer', {}, status, access, reload),
  );

  let couldEdit: boolean | undefined;
  const show = () => {
    side.dataset.status = open.status.kind;
    const words = describe(open.status);
    if (status.textContent !== words) status.textContent = words;
    // Every key changes this line between two texts, which nobody wants to listen to.
    status.ariaLive = ['saving', 'saved', 'opening'].includes(open.status.kind) ? 'off' : 'polite';
    reload.hidden = open.status.kind !== 'refused';
    reload.textContent = isUseless() ? 'Discard this copy and reload' : 'Reload';
    offlineButton.ariaPressed = String(open.isOffline);
    people.replaceChildren(...open.people.map((person) => createPerson(person, person.id === session.account.id)));

    access.hidden = open.status.kind === 'refused';
    if (!open.provider.isAuthenticated) return;
    if (couldEdit !== undefined && couldEdit !== open.mayEdit) {
      access.textContent = open.mayEdit ? 'Your access changed: you can edit now.' : 'Your access changed: you can read only.';
    } else if (couldEdit === undefined && !open.mayEdit) {
      access.textContent = 'You can read only.';
    }
    couldEdit = open.mayEdit;
  };
  open.subscribe(show);
  show();

  /** Shows the title, and the colour in which others see the user. */
  const describeDocument = async () => {
    const { document: found } = await session.run<DocumentData>(DOCUMENT, { id: documentId });
    if (!found) return;
    title.textContent = found.title;
    const color = found.presence.find(({ user }) => user.id === session.account.id)?.color;
    if (!color) return;
    side.style.setProperty('--person', color);
    open.provider.setAwarenessField('user', { id: session.account.id, name, color });
  };
  open.provider.on('synced', () => void describeDocument().catch(() => {}));
  return side;
}

function createPerson({ name, color }: { name: string; color: string }, isUser: boolean): HTMLElement {
  const initial = element('span', { class: 'initial', 'aria-hidden': 'true' }, [...name][0] ?? '');
  const person = element('li', { class: 'person' }, initial, element('span', {}, isUser ? `${name} (you)` : name));
  if (color) person.style.setProperty('--person', color);
  return person;
}

const REFUSALS: Record<Refusal, string> = {
  'not opened': 'Not opened',
  'changed access': 'Your access changed',
  'other history': 'Closed',
  closed: 'Closed',
};

function describe(status: Status): string {
  switch (status.kind) {
    case 'opening':
      return 'Opening…';
    case 'saving':
      return 'Saving…';
    case 'saved': {
      const words = status.hasSaved ? 'Saved' : 'Up to date';
      return status.version === undefined ? words : `${words} · version ${status.version}`;
    }
    case 'unsaved':
      return `Not saved: ${status.reason}`;
    case 'offline':
      return `Offline, ${describeCopy(status)}`;
    case 'reconnecting':
      return status.reason ? `Reconnecting: ${status.reason}` : 'Reconnecting…';
    case 'refused':
      if (status.cause === 'closed') return `Closed, ${describeCopy(status)}: ${status.reason}`;
      return `${REFUSALS[status.cause]}: ${status.reason}`;
  }
}

function describeCopy({ keepsCopy }: { keepsCopy: boolean }): string {
  return keepsCopy ? 'changes kept here' : 'changes kept here until you close this page';
}
