// A person: a user with an account, who runs operations over HTTP.

import assert from 'node:assert/strict';

import { within } from './patience.js';

export class Person {
  constructor(server, account) {
    this.server = server;
    Object.assign(this, account);
  }

  /** Registers an account for `name`. Each test file has its own server, so names do not collide. */
  static async register(server, name) {
    const email = `${name.toLowerCase()}@example.com`;
    const stranger = new Person(server, { name: 'stranger' });
    const { register } = data(
      await stranger.run(
        `mutation ($email: String!, $name: String!, $password: String!) {
          register(email: $email, name: $name, password: $password) { token expiresAt account { id name email } }
        }`,
        { email, name, password: `${name} likes long passwords` },
      ),
    );
    assert.equal(register.account.email, email);
    return new Person(server, { ...register.account, token: register.token, expiresAt: register.expiresAt });
  }

  /** Runs one operation. The result has `data`, `errors`, or both. */
  run(query, variables) {
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

/** Returns the data of a result. Fails if the result has errors. */
export function data(result) {
  assert.deepEqual(result.errors ?? [], [], 'the operation has no errors');
  return result.data;
}

/** Returns the extensions of the single error in the result of a refused operation. */
export function refusal(result) {
  const errors = result.errors ?? [];
  assert.equal(errors.length, 1, `the result has exactly one error: ${JSON.stringify(result)}`);
  assert.ok(errors[0].message, 'the error has a message');
  return errors[0].extensions ?? {};
}
