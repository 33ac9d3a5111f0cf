// The page of a server without `--demo`: a sign-in, a list of documents, and one editor.

import { removeCopies } from './collaboration';
import { element } from './dom';
import { OperationError, Session, type SignIn } from './session';

const KEY = 'coscribe.sign-in';

/** Returns the user who has signed in in this tab, also before a reload. */
export function restoreSession(): Session | undefined {
  const stored = sessionStorage.getItem(KEY);
  if (!stored) return undefined;
  const signIn: SignIn = JSON.parse(stored);
  if (Date.parse(signIn.expiresAt) < Date.now()) return undefined;
  return keep(new Session(signIn));
}

/** Keeps the user signed in while the tab is open. */
function keep(session: Session): Session {
  const store = () => sessionStorage.setItem(KEY, JSON.stringify(session.stored));
  store();
  session.onRenewed(store);
  return session;
}

/** Shows a form to sign in or to create an account. Calls `onSession` when it has succeeded. */
export function createSignIn(onSession: (session: Session) => void): HTMLElement {
  const error = element('p', { class: 'error', role: 'alert' });
  const name = labelled('Name', element('input', { name: 'name', autocomplete: 'name' }));
  const email = labelled('E-mail address', element('input', { name: 'email', type: 'email', autocomplete: 'username', required: true }));
  const password = labelled('Password', element('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true }));
  const submit = element('button', { class: 'primary' }, 'Sign in');
  const other = element('button', { type: 'button', class: 'quiet', click: () => showRegistration(name.hidden) }, 'Create an account');
  const showRegistration = (isNew: boolean) => {
    name.hidden = !isNew;
    submit.textContent = isNew ? 'Create the account' : 'Sign in';
    other.textContent = isNew ? 'I have an account' : 'Create an account';
  };
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const values = new FormData(event.target as HTMLFormElement);
    const [named, address, secret] = ['name', 'email', 'password'].map((field) => String(values.get(field)));
    try {
      onSession(keep(name.hidden ? await Session.signIn(address!, secret!) : await Session.register(address!, named!, secret!)));
    } catch (cause) {
      error.textContent = messageOf(cause);
    }
  };
  const form = element('form', { class: 'card', submit: enter }, element('h1', {}, 'Sign in to coscribe'), name, email, password, error, submit, other);
  showRegistration(false);
  return form;
}

interface DocumentList {
  documents: { nodes: { id: string; title: string; updatedAt: string }[] };
}

/** Shows the documents of the user, and a form that creates one. */
export async function createDocumentList(session: Session): Promise<HTMLElement> {
  const { documents } = await session.run<DocumentList>('{ documents(first: 50) { nodes { id title updatedAt } } }');
  const error = element('p', { class: 'error', role: 'alert' });
  const create = async (event: SubmitEvent) => {
    event.preventDefault();
    const title = new FormData(event.target as HTMLFormElement).get('title');
    const mutation = 'mutation ($title: String!) { createDocument(title: $title) { id } }';
    try {
      const { createDocument } = await session.run<{ createDocument: { id: string } }>(mutation, { title });
      location.search = `?document=${createDocument.id}`;
    } catch (cause) {
      error.textContent = messageOf(cause);
    }
  };
  return element(
    'section',
    { class: 'card' },
    element('h1', {}, 'Your documents'),
    element('ul', { class: 'documents' }, ...documents.nodes.map(({ id, title }) => element('li', {}, element('a', { href: `?document=${id}` }, title)))),
    element('form', { class: 'row', submit: create }, labelled('New document', element('input', { name: 'title', required: true, maxlength: '200' })), element('button', { class: 'primary' }, 'Create')),
    error,
    createSignOut(session),
  );
}

export function createSignOut(session: Session): HTMLElement {
  const signOut = async () => {
    await session.signOut().catch(() => {}); // The token ends by itself.
    sessionStorage.removeItem(KEY);
    await removeCopies(session.account.id);
    location.search = '';
  };
  return element('button', { type: 'button', class: 'quiet', click: signOut }, 'Sign out');
}

function labelled(text: string, input: HTMLInputElement): HTMLLabelElement {
  return element('label', {}, element('span', {}, text), input);
}

export function messageOf(cause: unknown): string {
  return cause instanceof OperationError ? cause.message : 'The server does not respond. Try again in a moment.';
}
