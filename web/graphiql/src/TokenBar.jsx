// The bar above GraphiQL: a field for the token, and the user that the token belongs to.

import { useSyncExternalStore } from 'react';

import { describeToken, onTokenChange, readToken, writeToken } from './token.js';

export function TokenBar() {
  const token = useSyncExternalStore(onTokenChange, readToken);
  return (
    <div className="token-bar">
      <strong>coscribe</strong>
      <label>
        Token
        <input
          type="text"
          name="token"
          value={token}
          onChange={(event) => writeToken(event.target.value)}
          placeholder="paste a token"
          spellCheck="false"
          autoComplete="off"
        />
      </label>
      <span className="token-holder" role="status">
        {describeToken(token)}
      </span>
      <button type="button" onClick={() => writeToken('')} disabled={!token}>
        Sign out
      </button>
    </div>
  );
}
