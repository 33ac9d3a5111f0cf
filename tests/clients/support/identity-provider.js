// An OpenID Connect provider with accounts for everybody: any name signs in with any password. Beside it a page that signs its user
// in there, as an application would.

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

import { freePort } from './server.js';

/** What the provider calls coscribe: the audience of tokens for it. */
const AUDIENCE = 'urn:coscribe';

export class IdentityProvider {
  #servers = [];
  #handle;
  #address;

  /** Starts a provider whose tokens `keys` sign, the first of them new ones. */
  static async start(keys) {
    const provider = new IdentityProvider();
    const [port, appPort] = [await freePort(), await freePort()];
    provider.issuer = `http://127.0.0.1:${port}`;
    /** The origin of the page, and its address. */
    provider.origin = `http://127.0.0.1:${appPort}`;
    provider.rotate(keys);
    await provider.#listen(port, (request, response) => provider.#handle(request, response));
    await provider.#listen(appPort, (_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(page(provider.issuer, provider.origin));
    });
    return provider;
  }

  /** Signs with the first of these keys from now on, and publishes these only. */
  rotate(keys) {
    this.#handle = createProvider(this.issuer, this.origin, keys).callback();
  }

  /** The settings of a server that accepts the tokens. */
  get settings() {
    return {
      COSCRIBE__AUTH__ISSUERS__COMPANY__ISSUER: this.issuer,
      COSCRIBE__AUTH__ISSUERS__COMPANY__AUDIENCES: AUDIENCE,
      COSCRIBE__AUTH__ISSUERS__COMPANY__KEYS_RETRY: '1s',
      COSCRIBE__SERVER__ALLOWED_ORIGINS: this.origin,
    };
  }

  async #listen(port, handle) {
    const server = createServer(handle).listen(port, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
  }

  stop() {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

/** Returns a private key as a JWK, for signatures with this algorithm. */
export function signingKey(kid, alg) {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

function createProvider(issuer, origin, keys) {
  const [{ alg }] = keys;
  const claims = (sub) => ({
    sub,
    name: sub[0].toUpperCase() + sub.slice(1),
    email: `${sub}@example.org`,
    email_verified: true,
  });
  return new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: 'page',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        redirect_uris: [`${origin}/`],
        id_token_signed_response_alg: alg,
      },
    ],
    cookies: { keys: ['a key that signs cookies of the test'] },
    clientBasedCORS: () => true,
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => claims(sub) }),
    extraTokenClaims: (_context, { accountId }) => claims(accountId),
    features: {
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'openid',
          audience: AUDIENCE,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg } },
        }),
        useGrantedResource: () => true,
        defaultResource: () => AUDIENCE,
      },
    },
  });
}

/** A page that signs its user in with the code flow (RFC 6749, section 4.1; RFC 7636) and keeps the token in `window.token`. */
function page(issuer, origin) {
  return `<!doctype html><title>signed out</title><link rel="icon" href="data:,"><script type="module">
    const redirect_uri = ${JSON.stringify(`${origin}/`)};
    const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
      .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const code = new URLSearchParams(location.search).get('code');
    if (code) {
      const answer = await fetch(${JSON.stringify(`${issuer}/token`)}, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code', client_id: 'page', code, redirect_uri,
          code_verifier: sessionStorage.getItem('verifier'),
        }),
      });
      window.token = (await answer.json()).access_token;
      document.title = 'signed in';
    } else {
      const verifier = base64(crypto.getRandomValues(new Uint8Array(32)));
      sessionStorage.setItem('verifier', verifier);
      const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
      location.href = ${JSON.stringify(`${issuer}/auth?`)} + new URLSearchParams({
        client_id: 'page', response_type: 'code', scope: 'openid', redirect_uri,
        resource: ${JSON.stringify(AUDIENCE)},
        code_challenge: base64(challenge), code_challenge_method: 'S256',
      });
    }
  </script>`;
}
