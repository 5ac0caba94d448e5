import { posix } from 'node:path';
import { scan, type Reference } from './scan.ts';

/** From the bottom up. A file may import its own folder and rows below; folders of one row never import each other. */
const rows: readonly (readonly string[])[] = [
  ['src/catalogue.ts'],
  ['src/errors.ts'],
  ['src/util'],
  ['src/ports'],
  ['src/schema', 'src/protocol', 'src/doc'],
  ['src/query', 'src/streams', 'src/access', 'src/mutation', 'src/link'],
  ['src/flows'],
  ['src/store', 'src/relay', 'src/client'],
  ['src/index.ts', 'src/relay/index.ts', 'src/testing', 'src/cli'],
];

/** The only places in `src` that choose adapters and transports. */
const composers = [
  'src/client/create-sync-client.ts',
  'src/store/create-store.ts',
  'src/relay/create-relay.ts',
  'src/cli/run-relay.ts',
  'src/testing',
];

/** The only file of `src` that imports what is known only when it runs: the command line of another copy of the package. */
const handsOver = 'src/cli/relay-command.ts';

/** Who may import a package. One that is not here is imported nowhere in `src`, `transports` and `adapters`. */
const packages: Readonly<Record<string, readonly string[]>> = {
  '@hono/node-server': ['src/relay'],
  '@standard-schema/spec': ['src'],
  citty: ['src/cli'],
  croner: ['src/relay/runs/cron.ts'],
  'eventsource-parser': ['adapters/platform', 'transports/http/client.ts'],
  hono: ['src/relay'],
  'idb-keyval': ['adapters/indexeddb.ts', 'adapters/indexeddb-connection.ts'],
  jiti: ['src/cli/load-backend.ts'],
  lib0: ['src'],
  libsql: ['adapters/sqlite'],
  'better-sqlite3': ['adapters/sqlite'],
  'node:': ['src/cli', 'src/relay/create-relay.ts', 'transports/websocket/acceptor.ts', 'adapters/sqlite', 'adapters/platform'],
  react: ['adapters/react'],
  rxjs: ['src', 'adapters/react'],
  ws: ['transports/websocket/acceptor.ts'],
  'y-protocols': ['src/doc'],
  // The simulator's fold shares no code with what it checks.
  yjs: ['src/doc', 'src/testing/log-fold.ts'],
};

const MAX_LINES = 400;

/** What is against the layout, sentence by sentence. `files`: the text of every code file by its path in the repository. */
export function layoutViolations(files: ReadonlyMap<string, string>): string[] {
  const violations: string[] = [];
  const edges = new Map<string, string[]>();
  for (const [path, text] of files) {
    const lines = text.split('\n').length - 1;
    if (lines > MAX_LINES) violations.push(`${path}: ${lines} lines`);
    if (path.startsWith('src/') && !placeOf(path)) violations.push(`${path}: has no layer`);
    for (const reference of scan(path, text).references) {
      const problem = problemOf(path, reference, files);
      if (problem) violations.push(`${path}: ${reference.specifier ?? 'import()'} ${problem}`);
      const target = targetOf(path, reference.specifier, files);
      if (target?.startsWith('src/') && path.startsWith('src/')) edges.set(path, [...(edges.get(path) ?? []), target]);
    }
  }
  return [...violations, ...cycles(edges)];
}

function problemOf(path: string, reference: Reference, files: ReadonlyMap<string, string>): string | undefined {
  const { specifier, url } = reference;
  const shipped = /^(src|transports|adapters)\//.test(path);
  if (specifier === undefined) return path.startsWith('src/') && path !== handsOver ? 'is computed: it cannot be checked' : undefined;
  const target = targetOf(path, specifier, files);
  if (target === undefined) return shipped && !url ? packageProblem(path, specifier) : undefined;
  if (!/\.\w+$/.test(target)) return url ? undefined : 'has no extension';
  return shipped ? shippedProblem(path, target, reference) : userProblem(path, target, reference);
}

function packageProblem(path: string, specifier: string): string | undefined {
  const name = specifier.startsWith('node:') ? 'node:' : specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const places = packages[name] ?? [];
  return places.some((place) => isIn(path, place)) ? undefined : 'may not be imported here';
}

function shippedProblem(path: string, target: string, { typeOnly }: Reference): string | undefined {
  if (!path.startsWith('src/')) return outsideProblem(path, target, typeOnly);
  if (/^(transports|adapters)\//.test(target)) return composers.some((place) => isIn(path, place)) ? undefined : 'is for those who compose';
  const from = placeOf(path);
  const to = placeOf(target);
  if (!from || !to) return 'leads to or from a file without a layer';
  return from.unit === to.unit || to.row < from.row ? undefined : `is not below ${from.unit}`;
}

/** Transports and adapters see the ports and what these stand on, their own folder, and what lies directly in the one above. */
function outsideProblem(path: string, target: string, typeOnly: boolean): string | undefined {
  if (['src/ports', 'src/errors.ts', 'src/util'].some((place) => isIn(target, place))) return undefined;
  if (typeOnly && isIn(path, 'adapters/react') && ['src/store', 'src/client', 'src/index.ts'].some((place) => isIn(target, place)))
    return undefined;
  const folder = posix.dirname(target);
  return isIn(path, folder) ? undefined : 'is neither a port nor of this folder';
}

/** Demo, bench and tests use the package as its users do, built or not. */
function userProblem(path: string, target: string, { typeOnly }: Reference): string | undefined {
  if (!/^(src|transports|adapters|dist)\//.test(target)) return undefined;
  if (path === 'test/architecture.test.ts' || isIn(path, 'test/architecture')) return undefined;
  if (typeOnly && isIn(path, 'test/conformance') && isIn(target, 'src/ports')) return undefined;
  return 'is to be imported by the name of the package';
}

function placeOf(path: string): { readonly unit: string; readonly row: number } | undefined {
  const unit = rows.flat().find((name) => name === path) ?? rows.flat().find((name) => isIn(path, name));
  return unit ? { unit, row: rows.findIndex((row) => row.includes(unit)) } : undefined;
}

/** The path in the repository that a relative specifier names; a `.js` beside which only a `.ts` stands is that one. */
function targetOf(path: string, specifier: string | undefined, files: ReadonlyMap<string, string>): string | undefined {
  if (!specifier || !/^\.\.?(\/|$)/.test(specifier)) return undefined;
  const target = posix.join(posix.dirname(path), specifier);
  const source = target.replace(/\.js$/, '.ts');
  return !files.has(target) && files.has(source) ? source : target;
}

/** Every file that is reached again from itself, once, with the way there. */
function cycles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) found.push(`cycle: ${[...way.slice(start), path].join(' -> ')}`);
    if (start >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

function isIn(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}
