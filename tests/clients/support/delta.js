// Applies deltas as a GraphQL client does.

import assert from 'node:assert/strict';

/** Returns `text` with `delta` applied. Lengths are UTF-16 code units, as in JavaScript strings. */
export function applyDelta(text, delta) {
  let result = '';
  let position = 0;
  for (const { retain, insert, delete: deleted } of delta) {
    result += insert ?? text.slice(position, position + (retain ?? 0));
    position += (retain ?? 0) + (deleted ?? 0);
  }
  assert.ok(position <= text.length, `the delta exceeds the text: ${JSON.stringify(delta)}`);
  return result + text.slice(position);
}
