// What people do with documents. `by` is a person (over HTTP) or a tab (over its socket): both can `ask`.

import { data } from './person.js';

export async function createDocument(by, title, content = '') {
  const mutation = `mutation ($title: String!, $content: String!) {
    createDocument(title: $title, content: $content) { id title content version access owner { id } }
  }`;
  return data(await by.ask(mutation, { title, content })).createDocument;
}

/** The result as it came, for those who expect a refusal. */
export function tryToUpdate(by, document, { title, content, baseVersion }) {
  const mutation = `mutation ($id: ID!, $title: String, $content: String, $base: Int) {
    updateDocument(id: $id, title: $title, content: $content, baseVersion: $base) { id title content version }
  }`;
  return by.ask(mutation, { id: document, title, content, base: baseVersion });
}

export async function update(by, document, changes) {
  return data(await tryToUpdate(by, document, changes)).updateDocument;
}

/** Renames the document and returns the version that this made. */
export async function rename(by, document, title) {
  return (await update(by, document, { title })).version;
}

export async function deleteDocument(by, document) {
  return data(await by.ask('mutation ($id: ID!) { deleteDocument(id: $id) }', { id: document })).deleteDocument;
}

export async function readDocument(by, document) {
  const query = 'query ($id: ID!) { document(id: $id) { id title content version access } }';
  return data(await by.ask(query, { id: document })).document;
}

export async function listDocuments(by) {
  return data(await by.ask('query { documents { nodes { id title } } }')).documents.nodes;
}

export async function grant(by, document, level, email) {
  const mutation = `mutation ($document: ID!, $level: AccessLevel!, $email: String!) {
    grantAccess(documentId: $document, level: $level, email: $email) { user { id name } level grantedAt }
  }`;
  return data(await by.ask(mutation, { document, level, email })).grantAccess;
}

export async function revoke(by, document, user) {
  const mutation = 'mutation ($document: ID!, $user: ID!) { revokeAccess(documentId: $document, userId: $user) }';
  return data(await by.ask(mutation, { document, user })).revokeAccess;
}

export function tryToMoveCursor(by, document, cursor) {
  const mutation =
    'mutation ($document: ID!, $cursor: CursorInput!) { updateCursor(documentId: $document, cursor: $cursor) }';
  return by.ask(mutation, { document, cursor });
}

export async function presentSessions(by, document) {
  const query = 'query ($document: ID!) { documentPresence(documentId: $document) { sessionId } }';
  return data(await by.ask(query, { document })).documentPresence.map(({ sessionId }) => sessionId);
}
