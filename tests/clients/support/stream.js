// What a subscription brought, in order; it queues from the first event, so nothing is missed between two lines.

import assert from 'node:assert/strict';

import { within } from './patience.js';

export class Stream {
  #name;
  #events = [];
  #waiting;
  #end;
  #ended;

  constructor(name) {
    this.#name = name;
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Takes results of the subscription's one root field, and its end, from a client's callbacks. */
  sink(field) {
    return {
      next: (result) => this.push(result.errors ? { errors: result.errors } : result.data[field]),
      error: (errors) => this.finish(errors),
      complete: () => this.finish([]),
    };
  }

  push(event) {
    this.#events.push(event);
    this.#waiting?.();
  }

  finish(errors) {
    this.#end(errors);
  }

  get isEmpty() {
    return this.#events.length === 0;
  }

  /** The next event; fails when the stream ends or stays quiet instead. */
  async next() {
    if (this.isEmpty) {
      const arrival = new Promise((resolve) => (this.#waiting = resolve));
      const end = this.#ended.then((errors) => {
        assert.ok(!this.isEmpty, `${this.#name} ended instead: ${JSON.stringify(errors)}`);
      });
      await within(Promise.race([arrival, end]), `An event of ${this.#name}`);
    }
    return this.#events.shift();
  }

  /** The errors with which the stream ended; an empty list when it was completed. */
  async end() {
    return within(this.#ended, `The end of ${this.#name}`);
  }
}
