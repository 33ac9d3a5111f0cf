// A wiki that keeps its own users and rules; its documents are in coscribe. README.md explains it.

import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const { COSCRIBE = 'http://localhost:4000', ASK_SECRET, KEY_FILE = 'wiki.pem', KEY_ID, PORT = 3000 } = process.env;
const key = createPrivateKey(readFileSync(KEY_FILE));
const passwords = { ana: 'ana', bo: 'bo' };
const signedIn = new Map(); // session → user
const rules = new Map(); // document → { user: level }

/** Returns a document token for a user of the wiki, valid for ten minutes. */
function token(sub, claims) {
  const now = Math.floor(Date.now() / 1000);
  const body = { iss: 'wiki', aud: 'coscribe', sub, jti: randomUUID(), iat: now, exp: now + 600, ...claims };
  const text = [{ alg: 'EdDSA', kid: KEY_ID }, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}

/** Runs an operation as the wiki itself. */
async function coscribe(query, variables) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token('wiki')}` };
  const { data, errors } = await (await fetch(`${COSCRIBE}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })).json();
  return data ?? Promise.reject(new Error(errors[0].message));
}

const routes = {
  'GET /': () => readFileSync(new URL('page.html', import.meta.url), 'utf8').replaceAll('COSCRIBE', COSCRIBE),
  'POST /login': ({ body, reply }) => {
    if (!Object.hasOwn(passwords, body.name) || passwords[body.name] !== body.password) return null;
    const session = randomUUID();
    signedIn.set(session, body.name);
    reply.setHeader('set-cookie', `session=${session}; HttpOnly; SameSite=Strict`);
    return { user: body.name };
  },
  // A guest may read: the token itself grants that. For users coscribe asks.
  'POST /token': ({ user, body }) => {
    if (user) return { token: token(`user:${user}`, { name: user }) };
    return rules.has(body.document) ? { token: token(`guest:${randomUUID()}`, { name: 'Guest', documents: { [body.document]: 'VIEW' } }) } : null;
  },
  'POST /documents': async ({ user, body }) => {
    if (!user) return null;
    const { createDocument } = await coscribe('mutation ($title: String!) { createDocument(title: $title) { id } }', { title: body.title });
    rules.set(createDocument.id, { [user]: 'EDIT' });
    return createDocument;
  },
  'POST /rules': async ({ user, body: { document, name, level } }) => {
    if (rules.get(document)?.[user] !== 'EDIT' || ![null, 'VIEW', 'EDIT'].includes(level)) return null;
    rules.set(document, { ...rules.get(document), [name]: level });
    return coscribe('mutation ($id: ID!) { askAgain(documentId: $id) }', { id: document });
  },
  'POST /ask': ({ request, body: { document, user } }) => {
    if (request.headers.authorization !== `Bearer ${ASK_SECRET}`) return null;
    const name = user.issuer === 'wiki' && user.subject.match(/^user:(.*)/)?.[1];
    return { level: rules.get(document)?.[name] ?? null, seconds: 60 };
  },
};

createServer(async (request, reply) => {
  const chunks = await request.toArray();
  const route = routes[`${request.method} ${request.url}`];
  const user = signedIn.get(request.headers.cookie?.match(/session=([\w-]+)/)?.[1]);
  try {
    const answer = await route?.({ request, reply, user, body: chunks.length ? JSON.parse(Buffer.concat(chunks)) : {} });
    reply.statusCode = answer ? 200 : 403;
    reply.setHeader('content-type', typeof answer === 'string' ? 'text/html' : 'application/json');
    reply.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? {}));
  } catch (error) {
    reply.writeHead(500).end(error.message);
  }
}).listen(PORT, () => console.log(`the wiki listens on http://localhost:${PORT}`));
