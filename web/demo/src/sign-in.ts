// The page of a server without `--demo`: a sign-in, a list of documents, and one editor.

import { removeCopies } from './collaboration';
import { element } from './dom';
import { messageOf, Session, type SignIn } from './session';

const KEY = 'coscribe.sign-in';

/** The rule of the server for passwords. */
const PASSWORD_RULE = '8 to 1024 bytes: one for each English letter, up to four for each other character.';

/** Forgets the sign-in of this tab, for example when it has ended on the server. */
export function forgetSession(): void {
  sessionStorage.removeItem(KEY);
}

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
  const field = (attributes: Record<string, string>) => element('input', { ...attributes, required: true });
  const email = labelled('E-mail address', field({ name: 'email', type: 'email', autocomplete: 'username' }));
  const secret = field({ name: 'password', type: 'password' });
  const password = labelled('Password', secret);
  const rule = element('p', { class: 'hint', id: 'password-rule' }, PASSWORD_RULE);
  const heading = element('h1');
  const submit = element('button', { class: 'primary' }, 'Sign in');
  const switchForm = () => showRegistration(name.hidden);
  const other = element('button', { type: 'button', class: 'quiet', click: switchForm }, 'Create an account');
  const showRegistration = (isNew: boolean) => {
    name.hidden = rule.hidden = !isNew;
    if (isNew) secret.setAttribute('aria-describedby', rule.id);
    else secret.removeAttribute('aria-describedby');
    secret.autocomplete = isNew ? 'new-password' : 'current-password';
    error.textContent = '';
    heading.textContent = isNew ? 'Create an account' : 'Sign in to coscribe';
    submit.textContent = isNew ? 'Create the account' : 'Sign in';
    other.textContent = isNew ? 'I have an account' : 'Create an account';
  };
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const values = new FormData(event.target as HTMLFormElement);
    const value = (field: string) => String(values.get(field));
    const signIn = () => Session.signIn(value('email'), value('password'));
    const register = () => Session.register(value('email'), value('name'), value('password'));
    try {
      onSession(keep(await (name.hidden ? signIn() : register())));
    } catch (cause) {
      error.textContent = messageOf(cause);
    }
  };
  const fields = [name, email, password, rule, error, submit, other];
  const form = element('form', { class: 'card', submit: enter }, heading, ...fields);
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
  const items = documents.nodes.map(({ id, title }) => element('li', {}, element('a', { href: `?document=${id}` }, title)));
  const title = labelled('New document', element('input', { name: 'title', required: true, maxlength: '200' }));
  const form = element('form', { class: 'row', submit: create }, title, element('button', { class: 'primary' }, 'Create'));
  const list = element('ul', { class: 'documents' }, ...items);
  return element('section', { class: 'card' }, element('h1', {}, 'Your documents'), list, form, error, createSignOut(session));
}

export function createSignOut(session: Session): HTMLElement {
  const signOut = async () => {
    // The copies in the browser are removed, so that nobody reads them after the user.
    const isUnsaved = document.querySelector('.side:not([data-status="saved"])') !== null;
    if (isUnsaved && !confirm('Some changes are not saved yet, and would be lost. Sign out nevertheless?')) return;
    await session.signOut().catch(() => {}); // The token ends by itself.
    forgetSession();
    await removeCopies(session.account.id);
    location.search = '';
  };
  return element('button', { type: 'button', class: 'quiet', click: signOut }, 'Sign out');
}

function labelled(text: string, input: HTMLInputElement): HTMLLabelElement {
  return element('label', {}, element('span', {}, text), input);
}
