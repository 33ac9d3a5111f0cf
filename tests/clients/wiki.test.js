// The sample application in examples/wiki: it keeps its own users and rules, signs document tokens, and answers questions. Its users
// work with it in Chromium.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { Browser } from './support/browser.js';
import { until } from './support/patience.js';
import { freePort, Server } from './support/server.js';

const secret = randomUUID();

let folder, server, wiki, origin, browser;

before(async () => {
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  folder = await mkdtemp(path.join(os.tmpdir(), 'coscribe-wiki-'));
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  await writeFile(path.join(folder, 'wiki.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(path.join(folder, 'wiki.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  server = await Server.start({
    env: {
      COSCRIBE__AUTH__ASK: `${origin}/ask`,
      COSCRIBE__AUTH__ASK_SECRET: secret,
      COSCRIBE__SERVER__ALLOWED_ORIGINS: origin,
    },
  });
  const register = ['key', 'register', '--data-dir', server.dataDir, '--application', 'wiki', '--id', 'wiki-1'];
  await promisify(execFile)(process.env.COSCRIBE_BIN, [...register, '--public-key', path.join(folder, 'wiki.pub')]);
  const env = { ...process.env, COSCRIBE: server.url, ASK_SECRET: secret, KEY_FILE: path.join(folder, 'wiki.pem') };
  const file = new URL('../../examples/wiki/server.mjs', import.meta.url).pathname;
  wiki = spawn('node', [file], { env: { ...env, KEY_ID: 'wiki-1', PORT: String(port) }, stdio: 'inherit' });
  await until('the wiki listens', () => fetch(origin).then((reply) => reply.ok, () => false));
  // The key takes effect within a second.
  const login = await fetch(`${origin}/login`, { method: 'POST', body: '{"name":"ana","password":"ana"}' });
  const cookie = login.headers.get('set-cookie').split(';')[0];
  await until('the key is known', async () => {
    const { token } = await (await fetch(`${origin}/token`, { method: 'POST', body: '{}', headers: { cookie } })).json();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return (await fetch(server.graphql, { method: 'POST', headers, body: '{"query":"{ me { id } }"}' })).ok;
  });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  wiki?.kill();
  await rm(folder, { recursive: true, force: true });
});

/** Fills a form of the page in and sends it. */
function submit(window, form, fields) {
  return window.evaluate(
    (form, fields) => {
      for (const [name, value] of Object.entries(fields)) document.forms[form].elements[name].value = value;
      document.forms[form].requestSubmit();
    },
    form,
    fields,
  );
}

/** Opens the wiki at a page, for this user or for a guest. */
async function open(t, address, name) {
  const window = await browser.open(address);
  t.after(() => window.close());
  if (name) await submit(window, 'sign-in', { name, password: name });
  return window;
}

const status = (window, text) =>
  until(text, async () => (await window.evaluate(() => document.getElementById('status').textContent)) === text);

const shows = (window, text) =>
  until(`the text ${text}`, async () => (await window.evaluate(() => document.getElementById('text').value)) === text);

function type(window, text) {
  return window.evaluate((text) => {
    const area = document.getElementById('text');
    area.value = text;
    area.dispatchEvent(new Event('input'));
  }, text);
}

test('the users of the wiki work by its rules', async (t) => {
  const ana = await open(t, `${origin}/`, 'ana');
  await until('Ana is signed in', () => ana.evaluate(() => !document.getElementById('create').hidden));
  await submit(ana, 'create', { title: 'Recipes' });
  await status(ana, 'EDIT');
  const address = await ana.evaluate(() => location.href);
  await type(ana, 'Bread');

  // Bo may not open the page. A guest may read it.
  const bo = await open(t, address, 'bo');
  await status(bo, 'no access');
  const guest = await open(t, address);
  await shows(guest, 'Bread');
  await status(guest, 'VIEW');

  // Ana lets Bo write.
  await submit(ana, 'share', { name: 'bo', level: 'EDIT' });
  await status(bo, 'EDIT');
  await type(bo, 'Bread and butter');
  await shows(ana, 'Bread and butter');
  await shows(guest, 'Bread and butter');

  // She takes it back, and his open page loses access.
  await submit(ana, 'share', { name: 'bo', level: '' });
  await status(bo, 'FORBIDDEN');
  await type(bo, 'Still here?');
  await type(ana, 'Cake');
  await shows(guest, 'Cake');
  assert.equal(await bo.evaluate(() => document.getElementById('text').value), 'Still here?');
  assert.deepEqual([ana.errors, bo.errors, guest.errors], [[], [], []]);
});
