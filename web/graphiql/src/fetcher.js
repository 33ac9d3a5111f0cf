// How GraphiQL reaches the server.
//
// Subscriptions go over the socket, and so do the changes of somebody who is signed in: a change that comes from
// a session is told to the same person's other tabs, which one over plain HTTP is not. Queries and signing in,
// which must work without a session, go over HTTP.

import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-ws';

import { onTokenChange, readToken, writeToken } from './token.js';

const SIGNING_IN = ['login', 'register', 'refreshToken'];

const socket = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  connectionParams: () => ({ authToken: readToken() }),
  lazyCloseTimeout: 10_000,
  // A change that was on its way when the socket broke must not be sent twice; whoever asked sees the error.
  retryAttempts: 0,
});

// The socket belongs to whoever opened it; the next operation opens one for the new token.
onTokenChange(() => socket.terminate());

export function fetcher(request, { documentAST, headers } = {}) {
  const operation = documentAST && getOperationAST(documentAST, request.operationName);
  return goesOverSocket(operation) ? overSocket(request) : overHttp(request, headers);
}

function goesOverSocket(operation) {
  if (operation?.operation === 'subscription') return true;
  if (operation?.operation !== 'mutation' || !readToken()) return false;
  return !operation.selectionSet.selections.some((field) => SIGNING_IN.includes(field.name?.value));
}

async function* overSocket(request) {
  try {
    yield* socket.iterate(request);
  } catch (error) {
    yield { errors: explain(error) };
  }
}

// An operation fails with GraphQL errors, with the close of the socket, or with an error of the client.
function explain(error) {
  if (Array.isArray(error)) return error;
  if (typeof error?.code === 'number') {
    return [{ message: `The socket was closed: ${error.code} ${error.reason || 'without a reason'}` }];
  }
  return [{ message: error?.message ?? 'The socket could not be opened.' }];
}

async function overHttp(request, headers) {
  const token = readToken();
  const response = await fetch('/graphql', {
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
    const message = `The server answered ${response.status} ${response.statusText}: ${text.slice(0, 500)}`;
    return { errors: [{ message }] };
  }
}

// Whoever signs in here means to go on as that account.
function adoptToken(data) {
  const payload = data?.login ?? data?.register ?? data?.refreshToken;
  if (typeof payload?.token === 'string') writeToken(payload.token);
}
