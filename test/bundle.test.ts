import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, defaultClientConditions, type Rolldown } from 'vite';
import { describe, expect, it } from 'vitest';

// What a page is sent. A relay in it would be more than weight: it is the server's code.

const root = fileURLToPath(new URL('..', import.meta.url));

/** What must never reach a browser, as it shows in the ids of modules. */
const serverOnly =
  /\/(src\/relay|adapters\/sqlite)\/|\/transports\/(websocket\/acceptor|http\/(acceptor|downstream))\.|\/node_modules\/(ws|hono|@hono\/[^/]+|libsql|@libsql\/[^/]+)\/|^node:|__vite-browser-external/;

/** Bundles a file of this folder as a page's entry: every module that was looked at, shaken off or not, and the code. */
async function bundle(entry: string): Promise<{ readonly modules: readonly string[]; readonly code: string }> {
  const modules: string[] = [];
  const built = await build({
    root,
    configFile: false,
    logLevel: 'error',
    // Vitest's NODE_ENV is not the one a page is built with.
    define: { 'process.env.NODE_ENV': '"production"' },
    resolve: { conditions: ['@cotable/source', ...defaultClientConditions] },
    plugins: [
      {
        name: 'list-modules',
        buildEnd() {
          modules.push(...this.getModuleIds());
        },
      },
    ],
    build: {
      write: false,
      target: 'es2023',
      rolldownOptions: { input: fileURLToPath(new URL(entry, import.meta.url)), preserveEntrySignatures: 'strict' },
    },
  });
  const outputs = (Array.isArray(built) ? built : [built]) as Rolldown.RolldownOutput[];
  const chunks = outputs.flatMap(({ output }) => output).filter((part) => part.type === 'chunk');
  return { modules, code: chunks.map((chunk) => chunk.code).join('') };
}

describe('the bundle of a page', () => {
  it('[BD1] has the store and the mutators, and nothing of the server', async () => {
    const { modules, code } = await bundle('./package/page.tsx');
    expect(modules.some((id) => id.endsWith('/src/store/create-store.ts'))).toBe(true);
    expect(modules.some((id) => id.endsWith('/transports/http/client.ts'))).toBe(true);
    expect(modules.some((id) => id.endsWith('/src/client/create-sync-client.ts'))).toBe(true);
    expect(code).toContain('said by a mutator');
    // Its types are of the definition; the definition stays behind.
    expect(code).not.toContain('said by a handler');
    expect(modules.filter((id) => serverOnly.test(id))).toEqual([]);
    console.log(`a page with React and zod: ${(gzipSync(code).length / 1000).toFixed(1)} KB gzipped`);
  });

  it('[BD3 B21] has of a flow that is called by its type nothing, and neither Yjs nor rxjs', async () => {
    const { modules, code } = await bundle('./package/flow-page.tsx');
    expect(modules.some((id) => id.endsWith('/src/client/typed-client.ts'))).toBe(true);
    expect(code).not.toContain('said by a block');
    expect(
      modules.filter((id) => serverOnly.test(id) || /\/(src\/store|package\/flow\.ts)|node_modules\/(yjs|rxjs|zod)\//.test(id)),
    ).toEqual([]);
  });

  it('[BD2] would show a relay that came along', async () => {
    const { modules } = await bundle('./package/server.ts');
    const found = modules.filter((id) => serverOnly.test(id)).join('\n');
    for (const part of ['/src/relay/', '/transports/http/acceptor.', '/adapters/sqlite/', '__vite-browser-external'])
      expect(found).toContain(part);
  });
});
