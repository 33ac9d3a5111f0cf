// A link to the page may carry a token (`#token=…`). The page asks before it replaces the token of a signed-in user.

import assert from 'node:assert/strict';
import { test } from 'node:test';

let module = 0;

/** Loads the page's token module as in a browser at this address, whose user answers questions with `answer`. */
async function open(hash, { stored, answer }) {
  const storage = new Map(stored ? [['coscribe.token', stored]] : []);
  const questions = [];
  globalThis.localStorage = {
    getItem: (key) => storage.get(key) ?? null,
    setItem: (key, value) => storage.set(key, value),
    removeItem: (key) => storage.delete(key),
  };
  globalThis.location = { hash, pathname: '/graphql', search: '' };
  globalThis.history = { replaceState: (_state, _title, address) => (location.address = address) };
  globalThis.window = {
    addEventListener: () => {},
    confirm: (question) => {
      questions.push(question);
      return answer;
    },
  };
  // A module is loaded once for each address.
  const page = await import(`../../web/graphiql/src/token.js?${++module}`);
  page.adoptTokenFromAddress();
  return { token: page.readToken(), questions, address: location.address };
}

test('a link signs in a user who is not signed in', async () => {
  const { token, questions, address } = await open('#token=theirs&document=7', { answer: false });
  assert.equal(token, 'theirs');
  assert.deepEqual(questions, []);
  assert.equal(address, '/graphql#document=7');
});

test('a link replaces another token only if the user agrees', async () => {
  const declined = await open('#token=theirs', { stored: 'mine', answer: false });
  assert.equal(declined.token, 'mine');
  assert.equal(declined.questions.length, 1);
  assert.equal(declined.address, '/graphql');
  assert.equal((await open('#token=theirs', { stored: 'mine', answer: true })).token, 'theirs');
});

test('a link with the same token, or without one, asks nothing', async () => {
  for (const hash of ['#token=mine', '#document=7', '']) {
    const { token, questions } = await open(hash, { stored: 'mine', answer: false });
    assert.equal(token, 'mine');
    assert.deepEqual(questions, []);
  }
});
