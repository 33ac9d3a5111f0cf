// What a GraphQL client does with a delta.

import assert from 'node:assert/strict';

/** A text with a delta applied, the way any JavaScript client would: strings count UTF-16 code units. */
export function applied(text, delta) {
  let result = '';
  let at = 0;
  for (const { retain, insert, delete: deleted } of delta) {
    result += insert ?? text.slice(at, at + (retain ?? 0));
    at += (retain ?? 0) + (deleted ?? 0);
  }
  assert.ok(at <= text.length, `a delta goes past the end of the text: ${JSON.stringify(delta)}`);
  return result + text.slice(at);
}
