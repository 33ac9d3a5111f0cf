// Operations on documents. `client` is a person (over HTTP) or a tab (over its socket). Both have `run`.

import { data } from './person.js';

export async function createDocument(client, title, content = '') {
  const mutation = `mutation ($title: String!, $content: String!) {
    createDocument(title: $title, content: $content) { id title content version access owner { id } }
  }`;
  return data(await client.run(mutation, { title, content })).createDocument;
}

/** Returns the result with its errors, for tests that expect a refusal. */
export function tryToUpdate(client, document, { title, content, baseVersion }) {
  const mutation = `mutation ($id: ID!, $title: String, $content: String, $base: Int) {
    updateDocument(id: $id, title: $title, content: $content, baseVersion: $base) { id title content version }
  }`;
  return client.run(mutation, { id: document, title, content, base: baseVersion });
}

export async function update(client, document, changes) {
  return data(await tryToUpdate(client, document, changes)).updateDocument;
}

/** Renames the document and returns the new version. */
export async function rename(client, document, title) {
  return (await update(client, document, { title })).version;
}

export async function deleteDocument(client, document) {
  return data(await client.run('mutation ($id: ID!) { deleteDocument(id: $id) }', { id: document })).deleteDocument;
}

export async function readDocument(client, document) {
  const query = 'query ($id: ID!) { document(id: $id) { id title content version access } }';
  return data(await client.run(query, { id: document })).document;
}

export async function listDocuments(client) {
  return data(await client.run('query { documents { nodes { id title } } }')).documents.nodes;
}

export async function grant(client, document, level, email) {
  const mutation = `mutation ($document: ID!, $level: AccessLevel!, $email: String!) {
    grantAccess(documentId: $document, level: $level, email: $email) { user { id name } level grantedAt }
  }`;
  return data(await client.run(mutation, { document, level, email })).grantAccess;
}

export async function revoke(client, document, user) {
  const mutation = 'mutation ($document: ID!, $user: ID!) { revokeAccess(documentId: $document, userId: $user) }';
  return data(await client.run(mutation, { document, user })).revokeAccess;
}

export function tryToMoveCursor(client, document, cursor) {
  const mutation =
    'mutation ($document: ID!, $cursor: CursorInput!) { updateCursor(documentId: $document, cursor: $cursor) }';
  return client.run(mutation, { document, cursor });
}

export async function presentSessions(client, document) {
  const query = 'query ($document: ID!) { documentPresence(documentId: $document) { sessionId } }';
  return data(await client.run(query, { document })).documentPresence.map(({ sessionId }) => sessionId);
}
