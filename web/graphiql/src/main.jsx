// The GraphiQL page: the token bar with GraphiQL below it.

import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';

import 'graphiql/style.css';
import './page.css';

import { fetcher } from './fetcher.js';
import { adoptTokenFromAddress } from './token.js';
import { TokenBar } from './TokenBar.jsx';
import { welcome } from './welcome.js';

adoptTokenFromAddress();
window.addEventListener('hashchange', adoptTokenFromAddress);

createRoot(document.getElementById('page')).render(
  <>
    <TokenBar />
    <main>
      <GraphiQL
        fetcher={fetcher}
        defaultQuery={welcome}
        defaultEditorToolsVisibility={false}
        inputValueDeprecation
        schemaDescription
        shouldPersistHeaders={false}
      />
    </main>
  </>,
);
