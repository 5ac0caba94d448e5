// Runs one Vitest suite and counts what happened, by Vitest's JSON report and not by its exit code alone.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root, run } from './child.mjs';

const folder = mkdtempSync(join(tmpdir(), 'cotable-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Runs `vitest run` with the arguments and tells how many tests passed, and the titles of those that failed or were skipped. */
export async function runSuite(name, args, { node = process.execPath, env = {} } = {}) {
  const file = join(folder, `${name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  // An `it.only` left behind must not make the rest vanish, here no less than in CI.
  const { code } = await run(node, ['node_modules/vitest/vitest.mjs', 'run', ...args, ...reporters, '--allowOnly=false'], { env });
  return countReport(name, existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined, code);
}

/** Counts a report of Vitest's. A suite that crashed, ran nothing, or ended badly without a failed test has one failed test more. */
function countReport(name, report, code) {
  let passed = 0;
  const failed = [];
  const skipped = [];
  for (const file of report?.testResults ?? []) {
    const path = relative(root, file.name);
    const before = failed.length;
    for (const { status, fullName } of file.assertionResults) {
      if (status === 'passed') passed++;
      else if (status === 'skipped' || status === 'todo' || status === 'disabled') skipped.push(`${path} > ${fullName}`);
      else failed.push(`${path} > ${fullName}${status === 'failed' ? '' : ` (${status})`}`);
    }
    if (file.status === 'failed' && failed.length === before)
      failed.push(`${path}: ${file.message.split('\n')[0] || 'failed outside of its tests'}`);
  }
  if (!report) failed.push(`${name}: crashed, exit code ${code}`);
  else if (passed + failed.length === 0) failed.push(`${name}: no test ran`);
  else if (code !== 0 && failed.length === 0) failed.push(`${name}: exit code ${code}, though no test failed`);
  return { passed, failed, skipped };
}
