// The page at `/`. With `--demo`, the server tells of two users, and the page shows both side by side.

import { element, icon } from './dom';
import { messageOf, OperationError, Session } from './session';
import { createSide } from './side';
import { createDocumentList, createSignIn, createSignOut, forgetSession, restoreSession } from './sign-in';
import './style.css';

/** What the server tells at `/demo.json`. */
type Demo = { demo: false } | { demo: true; document: string; users: { name: string; email: string; password: string }[] };

const address = new URLSearchParams(location.search);

function show(...content: HTMLElement[]): void {
  document.body.replaceChildren(element('main', {}, ...content));
}

/** Shows documents side by side. */
function showSides(...sides: HTMLElement[]): void {
  const words = sides.length > 1 ? 'One document, two people.' : 'Everybody here writes together.';
  const top = element('header', { class: 'top' }, element('h1', {}, 'coscribe'), element('p', {}, words));
  document.body.replaceChildren(top, element('main', { class: 'sides' }, ...sides));
}

async function showDemo({ document, users }: Demo & { demo: true }): Promise<void> {
  const documentId = address.get('document') ?? document;
  const alone = address.get('side');
  const shown = users.filter(({ name }) => !alone || name.toLowerCase() === alone);
  if (shown.length === 0) return showError(`The demo has no user "${alone}". Leave ?side= out of the address.`);
  const sides = shown.map(async ({ name, email, password }) => {
    const session = await Session.signIn(email, password);
    if (alone) return createSide(session, documentId);
    const query = new URLSearchParams({ side: name.toLowerCase(), document: documentId });
    const label = `Open alone, as ${name}`;
    const attributes = { class: 'quiet', href: `?${query}`, target: '_blank', 'aria-label': label };
    const link = element('a', attributes, icon('alone'), 'Open alone');
    return createSide(session, documentId, link);
  });
  showSides(...(await Promise.all(sides)));
}

async function showSignedIn(session: Session): Promise<void> {
  const documentId = address.get('document');
  if (documentId) {
    const documents = element('a', { class: 'quiet', href: '?' }, 'All documents');
    showSides(createSide(session, documentId, documents, createSignOut(session)));
  } else {
    show(await createDocumentList(session));
  }
}

async function start(): Promise<void> {
  const demo: Demo = await (await fetch('demo.json')).json();
  if (demo.demo) return showDemo(demo);
  const session = restoreSession();
  if (!session) return showSignIn();
  await showSignedIn(session).catch((cause) => {
    if (!(cause instanceof OperationError && cause.code === 'UNAUTHENTICATED')) throw cause;
    // The sign-in has ended elsewhere.
    forgetSession();
    showSignIn();
  });
}

function showSignIn(): void {
  show(createSignIn((session) => void showSignedIn(session).catch(fail)));
}

function fail(cause: unknown): void {
  showError(messageOf(cause));
}

function showError(words: string): void {
  show(element('section', { class: 'card', role: 'alert' }, element('h1', {}, 'coscribe'), element('p', {}, words)));
}

void start().catch(fail);
