// Waiting, always with a limit.

import { setTimeout as pause } from 'node:timers/promises';

const LIMIT_MS = 10_000;

/** What `promise` gives, or an error that says what did not happen in time. */
export async function within(promise, what, limit = LIMIT_MS) {
  const clock = new AbortController();
  const late = pause(limit, undefined, { signal: clock.signal }).then(() => {
    throw new Error(`${what}: not within ${limit / 1000} s`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clock.abort();
    late.catch(() => {});
  }
}

/** Tries `attempt` again and again until it gives something, and returns that. */
export async function until(what, attempt, limit = LIMIT_MS) {
  let late = false;
  const tries = async () => {
    for (;;) {
      const result = await attempt();
      if (result || late) return result;
      await pause(20);
    }
  };
  try {
    return await within(tries(), what, limit);
  } finally {
    late = true;
  }
}
