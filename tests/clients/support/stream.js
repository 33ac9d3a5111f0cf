// The events of a subscription, queued in order from the first, so that none is lost between two reads.

import assert from 'node:assert/strict';

import { within } from './patience.js';

export class Stream {
  #name;
  #events = [];
  #notify;
  #end;
  #ended;

  constructor(name) {
    this.#name = name;
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Returns the callbacks through which a client delivers the root field `field` and the end of the subscription. */
  sink(field) {
    return {
      next: (result) => this.push(result.errors ? { errors: result.errors } : result.data[field]),
      error: (errors) => this.finish(errors),
      complete: () => this.finish([]),
    };
  }

  push(event) {
    this.#events.push(event);
    this.#notify?.();
  }

  finish(errors) {
    this.#end(errors);
  }

  get isEmpty() {
    return this.#events.length === 0;
  }

  /** Returns the next event. Fails if the stream ends first or delivers nothing in time. */
  async next() {
    if (this.isEmpty) {
      const arrival = new Promise((resolve) => (this.#notify = resolve));
      const end = this.#ended.then((errors) => {
        assert.ok(!this.isEmpty, `${this.#name} ended before the next event: ${JSON.stringify(errors)}`);
      });
      await within(Promise.race([arrival, end]), `An event of ${this.#name}`);
    }
    return this.#events.shift();
  }

  /** Waits for the end of the stream. Returns its errors; a completed stream has none. */
  async end() {
    return within(this.#ended, `The end of ${this.#name}`);
  }
}
