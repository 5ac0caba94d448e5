// npm test                everything: build, checks, suites in Node, in Chromium, and under node:sqlite
// npm test -- name        the suites in Node whose file path contains `name` (any argument of `vitest run` will do)
import { quietly, runChecks } from './check.mjs';
import { chromium, findChromium, hasNodeSqlite, knowsNode24, node24 } from './setup.mjs';
import { runSuite } from './suite.mjs';

const filters = process.argv.slice(2);
const inCi = !['', '0', 'false'].includes(process.env.CI ?? '');
const nodeSuite = ['--config', 'test/vitest.config.ts'];
const sqliteSuite = 'test/conformance/relay-storage.sqlite.test.ts';
const presentDriver = { COTABLE_EXPECT_DRIVER: hasNodeSqlite ? 'node:sqlite' : 'libsql' };

const total = { passed: 0, failed: [], skipped: [] };

heading('set-up');
const browser = filters.length ? await findChromium() : await setUp(chromium);
const withBrowser = browser ? { COTABLE_CHROMIUM: browser } : {};
if (filters.length || browser) {
  heading('build');
  const built = await quietly('build', 'npm', ['run', '--silent', 'build']);
  count({ passed: built ? 1 : 0, failed: built ? [] : ['build'] });
  if (filters.length) await nodeSuites();
  else await everything();
}
finish();

async function everything() {
  heading('check');
  const { passed, failed } = await runChecks();
  count({ passed: passed.length, failed: failed.map((name) => `check: ${name}`) });
  await nodeSuites();
  heading('suites in Chromium');
  count(await runSuite('browser', ['--config', 'test/vitest.browser.config.ts'], { env: withBrowser }));
  // Under a Node that has node:sqlite, the suites in Node have used it already.
  if (!hasNodeSqlite) await nodeSqlite();
}

async function nodeSuites() {
  heading(`suites in Node ${process.version}`);
  count(await runSuite('node', [...nodeSuite, ...filters], { env: { ...presentDriver, ...withBrowser } }));
}

async function nodeSqlite() {
  heading('SQLite by node:sqlite');
  if (!knowsNode24) {
    console.log(`skipped: no Node 24 package is known for ${process.platform} ${process.arch}`);
    return count({ skipped: ['SQLite by node:sqlite'] });
  }
  const node = await setUp(node24);
  if (node) count(await runSuite('node24', [...nodeSuite, sqliteSuite], { node, env: { COTABLE_EXPECT_DRIVER: 'node:sqlite' } }));
}

/** What `find` answers; when it throws, that is one failed test and nothing. */
async function setUp(find) {
  try {
    return await find();
  } catch (error) {
    console.log(error.message);
    count({ failed: [`set-up: ${error.message.split('\n')[0]}`] });
    return undefined;
  }
}

function heading(title) {
  console.log(`\n== ${title}`);
}

function count({ passed = 0, failed = [], skipped = [] }) {
  total.passed += passed;
  total.failed.push(...failed);
  total.skipped.push(...skipped);
}

function finish() {
  if (inCi) total.failed.push(...total.skipped.map((title) => `skipped in CI: ${title}`));
  for (const [title, list] of Object.entries({ Skipped: total.skipped, Failed: total.failed })) {
    if (list.length) console.log(`\n${title}:\n${list.map((line) => `  ${line}`).join('\n')}`);
  }
  process.exitCode = total.failed.length ? 1 : 0;
  console.log(`\n${total.passed} passed, ${total.failed.length} failed`);
}
