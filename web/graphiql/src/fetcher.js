// Sends the operations of GraphiQL to the server.
//
// Subscriptions use a WebSocket, and so do the mutations of a signed-in user: a change that a session makes is
// delivered to the user's other tabs, a change over plain HTTP is not. Queries, and the mutations that sign a user in,
// must work without a session and use HTTP.

import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

import { onTokenChange, readToken, writeToken } from './token.js';

const SIGN_IN_MUTATIONS = ['login', 'register', 'refreshToken'];

const socket = createClient({
  // Addresses are relative: a proxy may serve the page under a path.
  url: new URL('graphql', location.href).href.replace(/^http/, 'ws'),
  connectionParams: () => ({ authToken: readToken() }),
  lazyCloseTimeout: 10_000,
  // An edit in flight when the socket breaks must not be sent twice. GraphiQL shows the error instead.
  retryAttempts: 0,
});

// A socket belongs to the user who opened it. After a change of the token, the next operation opens a new one.
onTokenChange(() => socket.terminate());

// GraphiQL also passes the parsed text, but that of its last check, which runs a moment after the user stops typing.
export function fetcher(request, { headers } = {}) {
  return usesSocket(operationOf(request)) ? runOverSocket(request) : runOverHttp(request, headers);
}

// The operation that will run, or nothing: the server explains a text that does not parse.
function operationOf({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName);
  } catch {
    return null;
  }
}

function usesSocket(operation) {
  if (operation?.operation === 'subscription') return true;
  if (operation?.operation !== 'mutation' || !readToken()) return false;
  return !operation.selectionSet.selections.some((field) => SIGN_IN_MUTATIONS.includes(field.name?.value));
}

async function* runOverSocket(request) {
  try {
    yield* socket.iterate(request);
  } catch (error) {
    yield { errors: explain(error) };
  }
}

// An operation fails with GraphQL errors, with a close frame, or with an error of the client.
function explain(error) {
  if (Array.isArray(error)) return error;
  if (typeof error?.code === 'number') {
    return [{ message: `The socket was closed: ${error.code} ${error.reason || '(no reason)'}` }];
  }
  return [{ message: error?.message ?? 'The socket could not be opened. Check that the server is running.' }];
}

async function runOverHttp(request, headers) {
  const token = readToken();
  const response = await fetch('graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json;q=0.9',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify(request),
  });
  const result = await readResult(response);
  adoptToken(result.data);
  return result;
}

async function readResult(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    const message = `The server responded with ${response.status} ${response.statusText}: ${text.slice(0, 500)}`;
    return { errors: [{ message }] };
  }
}

// After a sign-in, the page uses the new token.
function adoptToken(data) {
  const payload = data?.login ?? data?.register ?? data?.refreshToken;
  if (typeof payload?.token === 'string') writeToken(payload.token);
}
