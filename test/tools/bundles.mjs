// node test/tools/bundles.mjs: bundles what a page loads of the package in dist, minified as a page's build does it, into
// dist/sizes/<part>/, where size-limit weighs it (.size-limit.json). Exit code 1 when a part brings along what it must not.
import { join } from 'node:path';
import { build } from 'vite';
import { root } from './child.mjs';

const all = `export * from 'cotable';`;

/**
 * The code of each part. `beside`: what the page has anyway. What both need lies in a chunk of its own then, and `part.js`
 * has what the page loads in addition: alone, a transport would weigh little more than the errors that it shares.
 */
const parts = {
  cotable: { code: all },
  definitions: {
    code: `export { CotableError, defineMutators, defineSchema, isCotableError, reject, table } from 'cotable';`,
    without: /\/node_modules\/(yjs|lib0|rxjs)\//,
  },
  react: { code: `export * from 'cotable/react';`, beside: all },
  events: { code: `export { createSyncClient } from 'cotable/client';`, beside: all },
  'events page': {
    code: `export { createSyncClient } from 'cotable/client'; export * from 'cotable/transports/websocket';`,
    without: /\/node_modules\/(yjs|rxjs)\/|\/relay\//,
  },
  flows: { code: `export { createClient, createTypedClient } from 'cotable/client';`, beside: all },
  'flows page': {
    code: `export { createClient, createTypedClient } from 'cotable/client';`,
    without: /\/node_modules\/(yjs|lib0|rxjs)\/|\/relay\//,
  },
  websocket: { code: `export * from 'cotable/transports/websocket';`, beside: all },
  http: { code: `export * from 'cotable/transports/http';`, beside: all },
  'broadcast-channel': { code: `export * from 'cotable/transports/broadcast-channel';`, beside: all },
  memory: { code: `export * from 'cotable/transports/memory';`, beside: all },
  indexeddb: { code: `export * from 'cotable/adapters/indexeddb';`, beside: all },
  page: {
    code: ['', '/adapters/indexeddb', '/transports/websocket', '/transports/broadcast-channel']
      .map((path) => `export * from 'cotable${path}';`)
      .join(' '),
  },
};

for (const [name, { code, beside, without }] of Object.entries(parts)) {
  // Nothing lies at these paths: they say from where the code of an entry imports.
  const input = { part: join(root, 'test/tools/part.js'), ...(beside && { beside: join(root, 'test/tools/beside.js') }) };
  const sources = { [input.part]: code, [input.beside]: beside };
  const { output } = await build({
    root,
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [{ name: 'entries', resolveId: (id) => (id in sources ? id : null), load: (id) => sources[id] }],
    // React is the page's own.
    build: {
      target: 'es2023',
      outDir: join(root, 'dist/sizes', name),
      rolldownOptions: { input, external: ['react'], preserveEntrySignatures: 'strict', output: { entryFileNames: '[name].js' } },
    },
  });
  const unwanted = output.flatMap(({ moduleIds }) => moduleIds).filter((id) => without?.test(id));
  for (const id of unwanted) console.log(`${name} has ${id}`);
  if (unwanted.length > 0) process.exitCode = 1;
}
