// node test/tools/sizes.mjs: what the package in dist weighs in a page, bundled and minified as a page's build does it, in
// KB (1000 bytes) of gzip. Exit code 1 when a part weighs more than its limit, or brings along what it must not.
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { root } from './child.mjs';

const all = `export * from 'cotable';`;
const dataLibraries = /\/node_modules\/(yjs|lib0|rxjs)\//;

/**
 * `goal`: where the limit has to come down to. `on`: what the page has anyway, and pays for elsewhere: alone, a transport
 * would weigh little more than the errors that it shares with the store.
 */
const parts = [
  { name: 'cotable', limit: 52, goal: 36, code: all },
  {
    name: 'cotable, definitions and errors alone',
    limit: 3,
    goal: 2,
    code: `export { CotableError, defineMutators, defineSchema, isCotableError, reject, table } from 'cotable';`,
    without: dataLibraries,
  },
  { name: '+ cotable/react', limit: 3, on: all, code: `export * from 'cotable/react';` },
  { name: '+ cotable/transports/websocket', limit: 1.5, on: all, code: `export * from 'cotable/transports/websocket';` },
  { name: '+ cotable/transports/memory', limit: 1, on: all, code: `export * from 'cotable/transports/memory';` },
  { name: '+ cotable/adapters/indexeddb', limit: 1.5, on: all, code: `export * from 'cotable/adapters/indexeddb';` },
  {
    name: 'a page: store, indexedDb and webSocket',
    limit: 54,
    goal: 40,
    code: `${all} export * from 'cotable/adapters/indexeddb'; export * from 'cotable/transports/websocket';`,
  },
];

// Nothing lies there: it says from where the code of an entry imports.
const entry = join(root, 'test/tools/size-entry.js');

/** The bytes of a bundle of some code, and the modules in it. React is the page's own. */
async function bundle(code) {
  const { output } = await build({
    root,
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [{ name: 'entry', resolveId: (id) => (id === entry ? id : null), load: (id) => (id === entry ? code : null) }],
    build: { write: false, target: 'es2023', rolldownOptions: { input: entry, external: ['react'], preserveEntrySignatures: 'strict' } },
  });
  return {
    bytes: gzipSync(output.map((chunk) => chunk.code).join('')).length,
    modules: output.flatMap((chunk) => chunk.moduleIds),
  };
}

for (const { name, limit, goal, code, on, without } of parts) {
  const { bytes, modules } = await bundle(`${on ?? ''} ${code}`);
  const size = (bytes - (on ? (await bundle(on)).bytes : 0)) / 1000;
  const unwanted = without ? modules.filter((id) => without.test(id)) : [];
  const isFine = size <= limit && unwanted.length === 0;
  const note = goal ? `, to come down to ${goal}` : '';
  console.log(`${isFine ? 'ok  ' : 'OVER'} ${size.toFixed(2).padStart(6)} KB of ${limit}${note}: ${name}`);
  for (const id of unwanted) console.log(`     has ${id}`);
  if (!isFine) process.exitCode = 1;
}
