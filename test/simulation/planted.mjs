import { fork } from 'node:child_process';
import { withPatchedBuild } from '../tools/patched-build.mjs';
import { plantedInRuns } from './planted-runs.mjs';

/** How long each seed is looked through, and how many: 2M steps in all. */
const SEED_STEPS = 200_000;
const SEEDS = 10;

const PARTS = ['test/tools/sim.mjs', ...['items', 'jobs', 'said', 'viewers'].map((name) => `test/simulation/${name}.mjs`)];

/** Hands `run` a folder with a copy of the build that has the bug. */
export function withBug({ patches }, run) {
  return withPatchedBuild(patches, PARTS, run);
}

/** Runs seed after seed until the simulator says what it should: which seed, after how many steps in all, and what it said. */
export function findBug(bug, steps = SEED_STEPS, seeds = SEEDS) {
  return withBug(bug, async (folder) => {
    const passed = { steps: 0, said: 'nothing' };
    for (let seed = 1; seed <= seeds; seed++) {
      const run = await runSeed(folder, ['--seed', String(seed), '--steps', String(steps), ...(bug.args ?? [])]);
      passed.steps += run.steps;
      if (run.code === 1) passed.said = run.output.split('\n')[0];
      if (run.code === 1 && bug.found.test(run.output)) return { isFound: true, seed, ...passed };
    }
    return { isFound: false, seed: undefined, ...passed };
  });
}

function runSeed(folder, args) {
  return new Promise((resolve) => {
    const child = fork('test/tools/sim.mjs', args, {
      cwd: folder,
      execArgv: ['--max-semi-space-size=32'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let steps = 0;
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('message', (message) => (steps = message.steps ?? message.report.steps));
    child.on('close', (code) => resolve({ code, output, steps: steps + Number(/ step=(\d+)/.exec(output)?.[1] ?? 0) }));
  });
}

/** The hall hears of a group once before it is kept, and once after that. */
const TOLD_EARLY = [
  { file: 'src/relay/commits.js', from: 'await storage.accept(', to: 'options.committed(group, true); await storage.accept(' },
  {
    file: 'src/relay/open-room.js',
    from: 'committed: (group) => hall.committed(group)',
    to: 'committed: (group, early) => hall.committed(group, early)',
  },
  { file: 'src/relay/hall.js', from: 'committed(group) {', to: 'committed(group, early) {' },
];

/**
 * Mistakes that could be in the product: pieces of what is built that become others, and what the simulator says of that.
 * `args`: with which it is looked for. `isQuick`: it shows at once, in each seed.
 */
export const plantedBugs = [
  {
    name: 'fresh documents are made without the fields that were edited',
    isQuick: true,
    patches: [{ file: 'src/doc/compact.js', from: 'cells.set(cellKey(key, field), cell)', to: 'void field' }],
    found: /diverged|shows/,
  },
  {
    name: 'a store that comes from another epoch is sent on as if it were of this one',
    isQuick: true,
    patches: [{ file: 'src/relay/hall.js', from: 'hello.epoch === epoch && ', to: '' }],
    found: /stuck/,
  },
  {
    name: 'deletes are forgotten at once',
    patches: [{ file: 'src/doc/compact.js', from: 'row[0] >= deletesSince', to: 'false' }],
    found: /diverged/,
  },
  {
    name: 'the relay acknowledges before its disk has said that it keeps',
    isQuick: true,
    patches: [
      ...TOLD_EARLY,
      { file: 'src/relay/hall.js', from: 'if (!authors.has(member))', to: 'if (!early || !authors.has(member))' },
      { file: 'src/relay/hall.js', from: 'if (others.length > 0)', to: 'if (!early && others.length > 0)' },
    ],
    found: /was confirmed, and is not in the log/,
  },
  {
    name: 'the relay tells the others before its disk has said that it keeps',
    isQuick: true,
    patches: [
      ...TOLD_EARLY,
      { file: 'src/relay/hall.js', from: 'if (!authors.has(member))', to: 'if (early || !authors.has(member))' },
      { file: 'src/relay/hall.js', from: 'if (others.length > 0)', to: 'if (early && others.length > 0)' },
    ],
    found: /which is not in the log/,
  },
  {
    name: 'the relay takes a mutation behind one that is missing',
    patches: [{ file: 'src/relay/writers.js', from: 'if (number !== state.last + 1)', to: 'if (false)' }],
    found: /gateRefused|Another writer was at this room first|was never|never came to be|diverged/,
  },
  {
    name: 'a store leaves out a number',
    patches: [{ file: 'src/store/replica.js', from: 'last += 1;', to: 'last += last === 3 ? 2 : 1;' }],
    found: /stuck/,
  },
  {
    name: 'a store gives an id to two mutations',
    isQuick: true,
    patches: [{ file: 'src/store/mutate.js', from: 'counter += 1;', to: 'counter += counter === 5 ? 0 : 1;' }],
    found: /was given out twice/,
  },
  {
    name: 'the relay keeps the part of a mutation that is in its first table',
    isQuick: true,
    patches: [{ file: 'src/relay/room.js', from: 'asked }, frame.updates, repairs', to: 'asked }, frame.updates.slice(0, 1), repairs' }],
    found: /diverged|only a part|stands on items that are not there/,
  },
  {
    name: 'the relay takes what it has taken before',
    patches: [
      {
        file: 'src/relay/marks.js',
        from: 'return intervals.some(({ from, to }) => from <= counter && counter <= to);',
        to: 'return true;',
      },
    ],
    found: /Another writer was at this room first|is in the log twice/,
  },
  {
    name: 'a store takes an entry behind one that is missing',
    patches: [{ file: 'src/store/replica.js', from: 'if (record.seq !== seq + fresh.length + 1)', to: 'if (false)' }],
    found: /diverged|shows|only a part|never came to be|protocol.badFrame|tally/,
  },
  {
    name: 'a store does not listen to what became of its mutations',
    patches: [{ file: 'src/store/judging.js', from: 'of welcome.outcomes) {', to: 'of []) {' }],
    found: /stuck|lost=/,
  },
  {
    name: 'rows stay as they were when the version of the schema rises',
    patches: [{ file: 'src/relay/epoch.js', from: 'shape ? migrateRows(name, shape.schema, cells, versions) : cells', to: 'cells' }],
    found: /diverged/,
  },
  {
    name: 'who has lost its disk waits for what nobody will send',
    patches: [{ file: 'src/store/tabs.js', from: 'if (!records && core.disk.isKept)', to: 'if (!records)' }],
    found: /stuck/,
  },
  {
    name: 'a confirmed mutation stays in the outbox',
    patches: [{ file: 'src/store/stored.js', from: 'delete: entries.map((entry) => keys.outbox(entry.key))', to: 'delete: []' }],
    found: /the outbox of .* still holds/,
  },
  {
    name: 'a mutation leaves the outbox when it is sent',
    patches: [
      {
        file: 'src/store/sending.js',
        from: "link.send({ type: 'mutate',",
        to: "core.disk.writeQuietly({ delete: [['outbox', key.replica, key.counter]] }); link.send({ type: 'mutate',",
      },
    ],
    found: /lost=/,
  },
  {
    name: 'the relay fences nobody',
    patches: [
      { file: 'src/relay/hall.js', from: 'await room.writers.fence(', to: 'void (' },
      { file: 'src/relay/hall.js', from: 'replica === hello.replica || hello.fence.includes(writer)', to: 'false' },
    ],
    found: /which the relay had fenced/,
  },
  {
    name: 'a store names nobody to be fenced',
    patches: [{ file: 'src/store/conversation.js', from: 'const fence = [...core.fence];', to: 'const fence = [];' }],
    found: /sends .* and nobody has fenced writer/,
  },
  {
    name: 'the relay forgets a repair',
    patches: [
      { file: 'src/relay/room-table.js', from: 'return repairs.size > 0 ? doc.write(repairs) : undefined;', to: 'return undefined;' },
    ],
    found: /diverged/,
  },
  {
    name: 'the fold takes the value that came last',
    patches: [{ file: 'src/doc/fold.js', from: 'incoming[0] > standing[0]', to: 'true' }],
    found: /diverged/,
  },
  {
    name: 'a mutation is sent before its record is on disk',
    patches: [{ file: 'src/store/sending.js', from: '(core.disk.isUnstored(item.id) ||', to: '(false ||' }],
    found: /its record never was on a device/,
  },
  {
    name: 'a rebuilt replica keeps its writer',
    patches: [{ file: 'src/store/replica.js', from: 'unanswered.size === 0 ?', to: 'true ?' }],
    found: /protocol.gateRefused|diverged|stuck|nobody has fenced/,
  },
  {
    name: 'a writer is leased again after an unclean exit',
    patches: [
      {
        file: 'adapters/memory/relay-storage.js',
        from: 'all.find(({ fenced, holder }) => !fenced && holder === 0)',
        to: 'all.find(({ fenced, last }) => !fenced && last === 0)',
      },
    ],
    found: /has a new holder, and was not given back/,
  },
  {
    name: 'a writer that is leased again is numbered from 1 again',
    patches: [{ file: 'adapters/memory/relay-storage.js', from: 'holder: replica };', to: 'holder: replica, last: 0 };' }],
    found: /is in the log as number 1 of writer/,
  },
  {
    name: 'confirmed entries never reach the disk, though their outbox records go',
    patches: [
      {
        file: 'src/store/stored.js',
        from: 'put: entries.map((entry) => [keys.log(birth, entry.seq), encodeRecord(entry)]),',
        to: 'put: [],',
      },
    ],
    found: /protocol.badFrame|tally .* is \d+, of \d+ mutations/,
  },
  // Of tabs that share a device.
  {
    name: 'what is built on what another tab has pending does not wait for that',
    patches: [{ file: 'src/store/foreign.js', from: 'basis.size > 0 && [', to: 'false && [' }],
    found: /shows .* which is not in the log|never came to be|which stands/,
  },
  {
    name: 'what another tab has pending is written into the document',
    patches: [
      {
        file: 'src/store/replica.js',
        from: 'tables.get(table)?.addPending(mutation, effect);',
        to: '(tables.get(table)?.addPending(mutation, effect), tables.get(table)?.doc.write(effect));',
      },
    ],
    found: /protocol.gateRefused/,
  },
  {
    name: 'a tab announces what is not on disk',
    patches: [
      { file: 'src/store/tabs.js', from: '.filter(({ id }) => !core.disk.isUnstored(id))', to: '' },
      {
        file: 'src/store/store.js',
        from: 'committed: (mutation) => session.made(mutation)',
        to: 'committed: (mutation) => (session.made(mutation), tabs.announce([mutation]))',
      },
    ],
    found: /of another tab, which is on no disk/,
  },
  {
    name: 'what was built on a mutation that ran again elsewhere stays as it is',
    patches: [{ file: 'src/store/foreign.js', from: 'before && !writesTheSame(before, mutation) &&', to: 'false &&' }],
    found: /which never came to be/,
    args: ['--clients', '2'],
  },
  {
    name: 'what was built on a mutation that was accepted otherwise than it was shown stays as it is',
    patches: [{ file: 'src/store/core.js', from: 'if (state.replica.isMisled)', to: 'if (false)' }],
    found: /which never came to be/,
  },
  {
    name: 'nobody takes over from a tab that is gone',
    patches: [
      { file: 'src/store/tabs.js', from: '(silent.get(owner) ?? 0) >= patience ||', to: 'false ||' },
      { file: 'src/store/tabs.js', from: '(stalled.get(owner)?.ticks ?? 0) > 2 * patience', to: 'false' },
    ],
    found: /stuck/,
  },
  {
    name: 'who takes over does not know which writers have to be fenced',
    patches: [{ file: 'src/store/road-back.js', from: 'for (const writer of stored?.fence ?? [])', to: 'for (const writer of [])' }],
    found: /sends .* and nobody has fenced writer/,
  },
  {
    name: 'a tab that wakes sends what another one had to give up',
    patches: [
      { file: 'src/store/road-back.js', from: 'verdicts.reject(new Map(stored?.rejected', to: 'void (new Map(stored?.rejected' },
      { file: 'src/store/tabs.js', from: 'if (core.replica.pending.has(verdict.id)) {', to: 'if (false) {' },
      { file: 'src/store/disk.js', from: 'if (records[mutations.length + index])', to: 'if (false)' },
    ],
    found: /is in the log, and was rejected|was rejected, and is in the log/,
  },
  {
    name: 'a tab sends what others have pending',
    patches: [{ file: 'src/store/road-back.js', from: 'owner === replicaName || adopted.has(id)', to: 'true' }],
    found: /sends .* and nobody has fenced writer/,
  },
  {
    name: 'what runs again does not see what other tabs have pending before it',
    patches: [{ file: 'src/store/rebuild.js', from: 'showUntil(mutation);', to: '' }],
    found: /tally .* is \d+, of \d+ mutations/,
    args: ['--clients', '2'],
  },
  {
    name: 'a tab folds what it has pending into the documents of its device',
    patches: [{ file: 'src/store/log-fold.js', from: 'present.pending.size > 0 || ', to: '' }],
    found: /an item stands on known ones|diverged/,
  },
  // Of runs and streams.
  ...plantedInRuns,
];
