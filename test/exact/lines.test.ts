import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dist, timesOf, withPatchedBuild } from '../tools/patched-build.mjs';
import { foldLines } from './fold-lines.ts';
import type { Line } from './line.ts';
import { replayLines } from './replay-lines.ts';
import { tabLines } from './tab-lines.ts';

const lines: readonly Line[] = [...replayLines, ...tabLines, ...foldLines];

/** Copies that are tried at once. */
const LANES = 2;

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly failureMessages: readonly string[] }[];
  }[];
}

/** What the test of a line says of a product without it, for each failure. Throws when it did not run. */
function failuresWithout({ patches, test: [file, title] }: Line): Promise<readonly string[]> {
  return withPatchedBuild(patches, ['test'], async (folder) => {
    const report = join(folder, 'report.json');
    const pattern = title.replaceAll(/[[\]()?.]/g, '\\$&');
    const args = ['run', '--config', 'test/vitest.config.ts', file, '-t', pattern, '--testTimeout=20000', '--expect.poll.timeout=1000'];
    await new Promise<void>((resolve) => {
      const command = ['node_modules/vitest/vitest.mjs', ...args, '--reporter=json', `--outputFile=${report}`];
      execFile(process.execPath, command, { cwd: folder }, () => resolve());
    });
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const results = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status !== 'skipped');
    if (results.length === 0) throw new Error(`no test of ${file} is called ${title}`);
    return results.filter(({ status }) => status === 'failed').map(({ failureMessages }) => failureMessages[0] ?? '');
  });
}

let free = LANES;
const waiting: (() => void)[] = [];

async function inALane<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}

/** All take more than a minute: `npm run exact`. Otherwise some of each kind. */
const tried = process.env['COTABLE_LINES'] === 'all' ? lines : lines.filter((_, at) => at % 6 === 0);
let begun = 0;
let caught = 0;

afterAll(() => void process.stdout.write(`lines=${begun} caught=${caught}\n`));

describe('the list of lines', () => {
  it('[EX44] names what is in the build, each once', () => {
    expect(lines.flatMap(({ patches }) => patches).filter((patch) => timesOf(dist, patch) !== 1)).toEqual([]);
  });
});

describe.concurrent('a test fails without this:', () => {
  for (const line of tried) {
    it(`[EX40] ${line.claim}`, async () => {
      begun += 1;
      const found = await inALane(() => failuresWithout(line));
      // What fails is what the test expects, and not its patience or the patch.
      expect(found).not.toEqual([]);
      expect(found.filter((message) => !/^(Error: Property failed [^]*)?AssertionError/.test(message))).toEqual([]);
      caught += 1;
    }, 240_000);
  }
});
