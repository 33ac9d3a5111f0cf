// Builds the page into dist/: index.html, and the script, the styles and the licences in demo/. The same sources and
// lockfile give the same bytes on every machine.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { defineConfig, type Plugin } from 'vite';

/** `npm run dev` serves the page and forwards everything else to this server. */
const SERVER = process.env.COSCRIBE ?? 'http://127.0.0.1:4000';

export default defineConfig({
  // All addresses in the page are relative, so it also works behind a proxy that removes a prefix of the path.
  base: './',
  build: {
    assetsDir: 'demo',
    modulePreload: false,
    chunkSizeWarningLimit: 600,
    target: ['chrome111', 'firefox121', 'safari16.4'],
    rollupOptions: {
      output: { entryFileNames: 'demo/demo.js', assetFileNames: 'demo/demo[extname]' },
    },
  },
  // The licences stand in LICENSES.txt, once each.
  esbuild: { legalComments: 'none' },
  plugins: [licences()],
  server: {
    proxy: {
      '/graphql': SERVER,
      '/demo.json': SERVER,
      '/collab': { target: SERVER, ws: true },
    },
  },
});

/** Writes the licences of the packages in the bundle into LICENSES.txt. */
function licences(): Plugin {
  return {
    name: 'licences',
    apply: 'build',
    async generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
      const folders = modules.map((file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
      const source = await licenceFile([...new Set(folders.filter((folder) => folder !== undefined))].sort());
      this.emitFile({ type: 'asset', fileName: 'demo/LICENSES.txt', source });
    },
  };
}

/** Returns each licence text once, under the packages that are under it. */
async function licenceFile(folders: string[]): Promise<string> {
  const holders = new Map<string, string[]>();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    const file = (await readdir(folder)).sort().find((name) => /^licen[cs]e/i.test(name));
    const text = file
      ? (await readFile(path.join(folder, file), 'utf8')).replaceAll('\r\n', '\n').trim()
      : `The package names its licence (${license}) and carries no text of it.`;
    holders.set(text, [...(holders.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const sections = [...holders].map(([text, names]) => `${names.join('\n')}\n\n${text}`);
  const opening = 'The demo page contains these packages, each under its own licence.';
  return `${[opening, ...sections].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
