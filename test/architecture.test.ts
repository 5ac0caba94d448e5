import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../src/catalogue.ts';
import { doorViolations } from './architecture/doors.ts';
import { errorPageViolations, specViolations } from './architecture/documents.ts';
import { layoutViolations } from './architecture/layers.ts';
import { sample, sampleViolations } from './architecture/sample.ts';
import { scan } from './architecture/scan.ts';

const root = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** Every file below a folder of the repository whose name ends so; none when the folder is not there. */
function list(folder: string, ending: RegExp): string[] {
  if (!existsSync(new URL(folder, root))) return [];
  const names = readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' });
  // The bench has a node_modules of its own.
  return names.filter((name) => ending.test(name) && !name.includes('node_modules')).map((name) => `${folder}/${name}`);
}

const code = new Map(
  ['src', 'transports', 'adapters', 'demo', 'test', 'bench']
    .flatMap((folder) => list(folder, /\.[cm]?[jt]sx?$/))
    .map((path) => [path, read(path)]),
);

describe('the scanner', () => {
  it('[AR1] sees every way to name a module, and no name in a comment or a text', () => {
    const { references } = scan(
      'a.tsx',
      `// import './comment.ts';
      /** import { a } from './doc.ts' */
      import a, { type b } from './value.ts';
      import type { c } from './type.ts';
      import './effect.ts';
      export * from './all.ts';
      export type { d } from './exported-type.ts';
      type e = import('./inline.ts').E;
      const text = "import './text.ts'" + \`export * from './template.ts'\`;
      const pattern = /['"\`]/;
      await import('./dynamic.ts');
      await import(text);
      new Worker(new URL('./worker.ts', import.meta.url));
      require('./required.cjs');
      export const element = <p>import './markup.ts'</p>;`,
    );
    const seen = references.map(({ specifier, typeOnly }) => `${typeOnly ? 'type ' : ''}${specifier ?? '?'}`);
    expect(seen.toSorted()).toEqual(
      [
        ['./value.ts', 'type ./type.ts', './effect.ts', './all.ts', 'type ./exported-type.ts', 'type ./inline.ts', './dynamic.ts', '?'],
        ['./worker.ts', './required.cjs'],
      ]
        .flat()
        .toSorted(),
    );
  });

  it('[AR2] sees the titles of tests', () => {
    const { titles } = scan('a.ts', "describe('a', () => { it('b'); test.each([1])(`c ${1}`); it.skipIf(x)('d'); other('e'); });");
    expect(titles.filter(Boolean)).toEqual(['a', 'b', 'c ${}', 'd']);
  });

  it('[AR3] does not pass over a file it cannot read', () => {
    expect(() => scan('a.ts', 'import {')).toThrow('a.ts');
  });
});

describe('the layout', () => {
  it('[AR4] has rules that find each violation of a sample, and nothing else in it', () => {
    expect(layoutViolations(sample).toSorted()).toEqual([...sampleViolations].toSorted());
  });

  it('[AR5] is kept by this repository', () => {
    expect(code.size).toBeGreaterThan(20);
    expect(layoutViolations(code)).toEqual([]);
  });
});

describe('doors', () => {
  it('[EV34] are found where they do what the engine is for, and only there', () => {
    const found = doorViolations(
      new Map([
        [
          'src/relay/events/a.ts',
          "import { createDispatcher } from '../runs/dispatcher.ts';\nclock.after(1, () => storage.queueRun(run));",
        ],
        ['src/relay/flows/b.ts', "import { createStreamLog } from '../stream-log.ts';\nsetTimeout(retry, 5);"],
        ['src/relay/events/c.ts', "import type { Runner } from '../runs/runner.ts';\nimport { policyOf } from '../runs/policy.ts';"],
        ['src/relay/runs/d.ts', 'clock.after(1, () => storage.queueRun(run));'],
      ]),
    );
    expect(found).toEqual([
      'src/relay/events/a.ts: queueRun is for the engine',
      'src/relay/events/a.ts: sets a timer that nobody has allowed',
      'src/relay/events/a.ts: ../runs/dispatcher.ts is the engine',
      'src/relay/flows/b.ts: sets a timer by itself',
      'src/relay/flows/b.ts: ../stream-log.ts keeps what streams said',
    ]);
  });

  it('[EV34] hold no queue, no retry, no timer for runs and no buffer of chunks', () => {
    expect([...code.keys()].some((path) => path.startsWith('src/relay/events/'))).toBe(true);
    expect(doorViolations(code)).toEqual([]);
  });
});

describe('the specification', () => {
  it('[AR6] is compared with the titles of tests', () => {
    const titles = ['[AB1] one', '[AB2 A14 BX2] two', '[AB9] unknown', '[AB1 oops] odd', '[AB', 'no id [ZZ1]'];
    expect(
      specViolations(
        '- **AB1** a\n- **AB2** b\n- **AB3** c\n- **AB2** d\n- **A1** e\n* **AB4** prose\n',
        titles.map((title) => ({ path: 'x', title })),
      ),
    ).toEqual([
      'SPEC.md: AB2 stands twice',
      'SPEC.md: A1 is not the id of a rule',
      'x: "[AB9] unknown" names AB9, which is no rule of SPEC.md',
      'x: "[AB1 oops] odd" names oops, which is no rule of SPEC.md',
      'x: "[AB" names [AB, which is no rule of SPEC.md',
      'SPEC.md: AB3 has no test',
      'SPEC.md: A1 has no test',
    ]);
  });

  it('[AR7] has a test for each rule, and no test names a rule it has not', () => {
    const titles = [...code].flatMap(([path, text]) => scan(path, text).titles.map((title) => ({ path, title })));
    expect(specViolations(read('test/SPEC.md'), titles)).toEqual([]);
  });
});

describe('the error catalogue', () => {
  it('[AR8] is compared with its pages', () => {
    const pages = new Map([
      ['row', '## `row.invalid`\n## `row.gone`\n'],
      ['store', 'text `store.closed`\n## `row.invalid`\n'],
    ]);
    expect(errorPageViolations(['row.invalid', 'store.closed'], pages)).toEqual([
      'docs/errors/store.md: no section for store.closed',
      'docs/errors/row.md: row.gone is no code of this area',
      'docs/errors/store.md: row.invalid is no code of this area',
    ]);
  });

  it('[AR9] has a section for each code, and no page explains a code that is not there', () => {
    const pages = new Map(list('docs/errors', /\.md$/).map((path) => [basename(path, '.md'), read(path)]));
    pages.delete('README');
    expect(errorPageViolations(Object.keys(catalogue), pages)).toEqual([]);
  });
});

describe('the lock file', () => {
  it('[AR10] names no download addresses, so that any registry can serve it', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });
});
