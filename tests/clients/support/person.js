// Somebody with an account, who asks over plain HTTP.

import assert from 'node:assert/strict';

import { within } from './patience.js';

export class Person {
  constructor(server, account) {
    this.server = server;
    Object.assign(this, account);
  }

  /** Makes an account for `name`; each test file has its own server, so names are free. */
  static async register(server, name) {
    const email = `${name.toLowerCase()}@example.com`;
    const nobody = new Person(server, { name: 'nobody' });
    const { register } = data(
      await nobody.ask(
        `mutation ($email: String!, $name: String!, $password: String!) {
          register(email: $email, name: $name, password: $password) { token expiresAt account { id name email } }
        }`,
        { email, name, password: `${name} likes long passwords` },
      ),
    );
    assert.equal(register.account.email, email);
    return new Person(server, { ...register.account, token: register.token, expiresAt: register.expiresAt });
  }

  /** The result of one operation: `data`, `errors`, or both. */
  ask(query, variables) {
    return within(this.#post(query, variables), `${this.name}'s operation is answered`);
  }

  async #post(query, variables) {
    const response = await fetch(this.server.graphql, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        ...(this.token && { authorization: `Bearer ${this.token}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    return response.json();
  }
}

/** The data of a result that should hold no errors. */
export function data(result) {
  assert.deepEqual(result.errors ?? [], [], 'an operation that should succeed was refused');
  return result.data;
}

/** The extensions of the one error with which an operation was refused. */
export function refusal(result) {
  const errors = result.errors ?? [];
  assert.equal(errors.length, 1, `one error was expected: ${JSON.stringify(result)}`);
  assert.ok(errors[0].message, 'an error says what was wrong');
  return errors[0].extensions ?? {};
}
