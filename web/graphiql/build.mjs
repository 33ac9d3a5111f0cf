// Bundles the GraphiQL page into a folder (dist/ unless told otherwise): page, script, styles and the licences
// of everything in the script. The same sources and lockfile give the same bytes on every machine.

import { build } from 'esbuild';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, 'dist'));

// GraphiQL carries two font families as data URLs, 340 kB of its styles; the reader's own fonts do as well.
const systemFonts = {
  name: 'system-fonts',
  setup({ onLoad }) {
    onLoad({ filter: /graphiql[/\\]dist[/\\]style\.css$/ }, async ({ path: file }) => {
      const css = await readFile(file, 'utf8');
      return { contents: css.replaceAll(/@font-face\s*\{[^}]*\}/g, ''), loader: 'css' };
    });
  },
};

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { graphiql: 'src/main.jsx' },
  outdir: out,
  bundle: true,
  minify: true,
  metafile: true,
  format: 'iife',
  target: ['chrome109', 'firefox115', 'safari16'],
  jsx: 'automatic',
  // A second copy of graphql, by way of `require`, would refuse the first one's schema.
  alias: { graphql: path.join(here, 'node_modules/graphql/index.mjs') },
  define: { 'process.env.NODE_ENV': '"production"' },
  plugins: [systemFonts],
  // The licences stand in LICENSES.txt, once each.
  legalComments: 'none',
  logLevel: 'warning',
});
await copyFile(path.join(here, 'src/index.html'), path.join(out, 'index.html'));
await writeFile(path.join(out, 'LICENSES.txt'), await licences(bundledPackages(metafile)));

/** The folders of the packages that ended up in the bundle, in a fixed order. */
function bundledPackages({ outputs }) {
  const inputs = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = inputs.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders.filter(Boolean))].sort();
}

/** The text of LICENSES.txt: each licence text once, under the packages that are under it. */
async function licences(folders) {
  const holders = new Map();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(await readFile(path.join(here, folder, 'package.json'), 'utf8'));
    const text = (await licenceText(folder)) ?? `The package names its licence (${license}) and carries no text of it.`;
    holders.set(text, [...(holders.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const sections = [...holders].map(([text, names]) => `${names.join('\n')}\n\n${text}`);
  const opening = 'The GraphiQL page contains these packages, each under its own licence.';
  return `${[opening, ...sections].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

async function licenceText(folder) {
  const file = (await readdir(path.join(here, folder))).sort().find((name) => /^licen[cs]e/i.test(name));
  if (!file) return undefined;
  const text = await readFile(path.join(here, folder, file), 'utf8');
  return text.replaceAll('\r\n', '\n').trim();
}
