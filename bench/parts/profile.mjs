// One round with the server under V8's profiler: the functions that most of its time was spent in.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const LINES = 25;

/** `round` gets the options that its server is to be started with. */
export async function profile(round) {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-bench-'));
  try {
    await round({ execArgv: ['--cpu-prof', `--cpu-prof-dir=${folder}`] });
    const texts = [];
    // One for each thread.
    for (const file of (await readdir(folder)).toSorted()) texts.push(tableOf(JSON.parse(await readFile(join(folder, file), 'utf8'))));
    return texts.join('\n\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tableOf({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const self = new Map();
  let busy = 0;
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = byId.get(id);
    if (functionName === '(idle)' || functionName === '(program)') return;
    const place = url ? ` ${basename(url)}:${lineNumber + 1}` : '';
    const key = `${functionName || '(anonymous)'}${place}`;
    self.set(key, (self.get(key) ?? 0) + timeDeltas[index]);
    busy += timeDeltas[index];
  });
  const lines = [...self].toSorted(([, a], [, b]) => b - a).slice(0, LINES);
  return [
    `${Math.round(busy / 1_000)} ms busy`,
    ...lines.map(([key, micros]) => `${((100 * micros) / busy).toFixed(1).padStart(6)} %  ${key}`),
  ].join('\n');
}
