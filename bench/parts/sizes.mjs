// What a page is sent: the client of each system as Vite builds it for production, minified, and that gzipped.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const cotable = `
  export { createStore, defineMutators, defineSchema, isCotableError, reject, table } from 'cotable';
  export { webSocket } from 'cotable/transports/websocket';`;

/** Each has what a client needs to share data while it is connected; yjs is within each of them. */
const entries = {
  Cotable: cotable,
  'Cotable with IndexedDB': `${cotable} export { indexedDb } from 'cotable/adapters/indexeddb';`,
  'y-websocket': `export { WebsocketProvider } from 'y-websocket'; export { Doc, Map } from 'yjs';`,
  Hocuspocus: `export { HocuspocusProvider } from '@hocuspocus/provider'; export { Doc, Map } from 'yjs';`,
};

export async function measureSizes() {
  const sizes = {};
  for (const [name, code] of Object.entries(entries)) sizes[name] = await sizeOf(code);
  return sizes;
}

async function sizeOf(code) {
  const id = '\0entry';
  const { output } = await build({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    // One copy of each, as in an app, wherever the package lies.
    resolve: { dedupe: ['yjs', 'lib0'] },
    plugins: [
      {
        name: 'entry',
        resolveId: (source) => (source === 'entry' ? id : undefined),
        load: (source) => (source === id ? code : undefined),
      },
    ],
    build: {
      write: false,
      target: 'es2023',
      minify: true,
      rolldownOptions: { input: 'entry', preserveEntrySignatures: 'strict' },
    },
  });
  const js = output
    .filter((part) => part.type === 'chunk')
    .map((chunk) => chunk.code)
    .join('');
  return { minified: js.length, gzipped: gzipSync(js, { level: 9 }).length };
}
