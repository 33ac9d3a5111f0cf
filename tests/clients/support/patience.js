// Waits, all with a time limit.

import { setTimeout as pause } from 'node:timers/promises';

/** It only ends a test that has failed. A busy machine needs far more time than an idle one. */
const LIMIT_MS = 60_000;

/** Awaits `promise`. Throws an error that names `what` after `limit` milliseconds. */
export async function within(promise, what, limit = LIMIT_MS) {
  const timer = new AbortController();
  const expired = pause(limit, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what}: did not happen within ${limit / 1000} s`);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    timer.abort();
    expired.catch(() => {});
  }
}

/** Repeats `attempt` until it returns a truthy value, and returns that value. On failure, `state` describes what was found. */
export async function until(what, attempt, limit = LIMIT_MS, state = undefined) {
  let expired = false;
  const attempts = async () => {
    for (;;) {
      const result = await attempt();
      if (result || expired) return result;
      await pause(20);
    }
  };
  try {
    return await within(attempts(), what, limit);
  } catch (error) {
    if (state) error.message += `; ${state()}`;
    throw error;
  } finally {
    expired = true;
  }
}
