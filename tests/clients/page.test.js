// A browser that opens /graphql receives GraphiQL. All of its files come from this server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './support/browser.js';
import { createDocument } from './support/documents.js';
import { until } from './support/patience.js';
import { Person } from './support/person.js';
import { PrefixProxy } from './support/prefix-proxy.js';
import { Server } from './support/server.js';

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

let server;

before(async () => {
  server = await Server.start();
});
after(() => server.stop());

test('a browser that opens /graphql receives the GraphiQL page and its files', async () => {
  const page = await fetch(server.graphql, { headers: BROWSER });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type'), /^text\/html\b/);
  assert.match(page.headers.get('content-security-policy'), /default-src 'self'/);

  const addresses = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
  const files = addresses.filter((address) => !address.startsWith('data:'));
  assert.deepEqual(files.sort(), ['graphiql/graphiql.css', 'graphiql/graphiql.js']);
  for (const [file, type] of [
    ['/graphiql/graphiql.css', /^text\/css\b/],
    ['/graphiql/graphiql.js', /^(text|application)\/javascript\b/],
    ['/graphiql/LICENSES.txt', /^text\/plain\b/],
  ]) {
    const answer = await fetch(server.url + file);
    assert.equal(answer.status, 200, file);
    assert.match(answer.headers.get('content-type'), type, file);
    assert.ok((await answer.text()).length > 1000, `${file} is complete`);
  }
});

test('a query sent to /graphql by GET is answered with JSON', async () => {
  const address = `${server.graphql}?query=${encodeURIComponent('{ __typename }')}`;
  const answer = await fetch(address, { headers: { accept: 'application/json' } });
  assert.deepEqual(await answer.json(), { data: { __typename: 'Query' } });
});

test('the page reads the schema after signing in, if strangers may not read it', async (t) => {
  const closed = await Server.start({ env: { COSCRIBE__SERVER__PUBLIC_SCHEMA: 'false' } });
  t.after(() => closed.stop());
  const alice = await Person.register(closed, 'Alice');
  const browser = await Browser.launch();
  t.after(() => browser.close());
  const page = await browser.open(closed.graphql);
  await page.click('button[aria-label="Show Documentation Explorer"]');
  const shows = (text) => page.evaluate((text) => document.body.innerText.includes(text), text);
  await until('the page says that there is no schema', () => shows('Error fetching schema'));

  await pasteToken(page, alice.token);

  await until('the page shows the schema', () => shows('Root Types'));
  assert.equal(await shows('Error fetching schema'), false);
});

test('a subscription that is run right after it is pasted uses the socket', async (t) => {
  const bob = await Person.register(server, 'Bob');
  const document = await createDocument(bob, 'Minutes');
  const browser = await Browser.launch();
  t.after(() => browser.close());
  const page = await browser.open(server.graphql);
  await pasteToken(page, bob.token);
  await until('the page can run operations', () => page.evaluate(() => !!document.querySelector('.graphiql-execute-button')));

  await page.evaluate((text) => {
    document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.setValue(text);
    document.querySelector('.graphiql-execute-button').click();
  }, `subscription { documentChanged(documentId: "${document.id}", since: 0) { kind } }`);

  const result = () => page.evaluate(() => document.querySelector('.result-window .CodeMirror')?.CodeMirror.getValue());
  await until('the result is shown', async () => /"(data|errors)"/.test(await result()));
  assert.deepEqual(JSON.parse(await result()), { data: { documentChanged: { kind: 'RESYNC' } } });
});

test('the page works behind a proxy that serves it under a path', async (t) => {
  const bob = await Person.register(server, 'Bill');
  const document = await createDocument(bob, 'Agenda');
  const proxy = await PrefixProxy.start('/collab', server.url);
  t.after(() => proxy.stop());
  const browser = await Browser.launch();
  t.after(() => browser.close());
  const page = await browser.open(`${proxy.url}/graphql`);
  await pasteToken(page, bob.token);
  assert.equal(await page.evaluate(() => location.pathname), '/collab/graphql');
  await until('the page can run operations', () => page.evaluate(() => !!document.querySelector('.graphiql-execute-button')));
  const run = (text) =>
    page.evaluate((text) => {
      document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.setValue(text);
      document.querySelector('.graphiql-execute-button').click();
    }, text);
  const result = () => page.evaluate(() => document.querySelector('.result-window .CodeMirror')?.CodeMirror.getValue());

  await run('{ me { name } }');
  await until('the query is answered over HTTP', async () => /"Bill"/.test(await result()));
  await run(`subscription { documentChanged(documentId: "${document.id}", since: 0) { kind } }`);
  await until('the subscription is answered over a socket', async () => /"RESYNC"/.test(await result()));
  assert.deepEqual(proxy.outside, []);
});

async function pasteToken(page, token) {
  await page.click('.token-bar input');
  await page.evaluate(() => document.querySelector('.token-bar input').focus());
  // As pasting does.
  await page.evaluate((token) => document.execCommand('insertText', false, token), token);
}
