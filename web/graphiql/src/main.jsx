// The GraphiQL page: the token bar with GraphiQL below it.

import { GraphiQL } from 'graphiql';
import { useMemo, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';

import 'graphiql/style.css';
import './page.css';

import { fetcher } from './fetcher.js';
import { adoptTokenFromAddress, onTokenChange, readToken } from './token.js';
import { TokenBar } from './TokenBar.jsx';
import { welcome } from './welcome.js';

adoptTokenFromAddress();
window.addEventListener('hashchange', adoptTokenFromAddress);

// GraphiQL reads the schema again when its fetcher changes. A server may show it to signed-in users only.
function Page() {
  const token = useSyncExternalStore(onTokenChange, readToken);
  const fetcherOfToken = useMemo(() => (...request) => fetcher(...request), [token]);
  return (
    <>
      <TokenBar />
      <main>
        <GraphiQL
          fetcher={fetcherOfToken}
          defaultQuery={welcome}
          defaultEditorToolsVisibility={false}
          inputValueDeprecation
          schemaDescription
          shouldPersistHeaders={false}
        />
      </main>
    </>
  );
}

createRoot(document.getElementById('page')).render(<Page />);
