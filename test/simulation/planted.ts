import { withPatchedBuild, type Patch } from '../tools/patched-build.ts';
import { runSimulator } from './run.ts';

/** A mistake that could be in the product: a piece of what is built that becomes another. */
export interface PlantedBug {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** What the simulator says of it. */
  readonly found: RegExp;
  /** Where it does so soon; left out: seed 1. */
  readonly args?: readonly string[];
  /** It may take minutes to show: only `npm run sim:mutants` looks for it. */
  readonly isSlow?: true;
}

/** Runs `npm run sim` on a copy of the build that has the bug. */
export function simulateWith(bug: PlantedBug, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return withPatchedBuild(bug.patches, ['test/tools/sim.mjs', 'test/simulation/items.mjs'], (folder) => runSimulator(folder, args));
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'fresh documents are made without the fields that were edited',
    patches: [{ file: 'src/doc/compact.js', from: 'cells.set(cellKey(key, field), cell)', to: 'void field' }],
    found: /diverged|shows/,
  },
  {
    name: 'a store that comes from another epoch is sent on as if it were of this one',
    patches: [{ file: 'src/relay/hall.js', from: 'hello.epoch === epoch && ', to: '' }],
    found: /stuck/,
  },
  {
    name: 'deletes are forgotten at once',
    patches: [{ file: 'src/doc/compact.js', from: 'row[0] >= deletesSince', to: 'false' }],
    found: /diverged/,
  },
  {
    name: 'the relay acknowledges and tells before its disk has said that it keeps',
    patches: [
      { file: 'src/relay/commits.js', from: 'await storage.accept(', to: 'storage.accept(' },
      {
        file: 'src/relay/commits.js',
        from: '(accepted) => accepted.acceptance)',
        to: '(accepted) => accepted.acceptance)).catch(() => undefined',
      },
    ],
    found: /was confirmed, and is not in the log|which is not in the log/,
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
      { file: 'src/relay/hall.js', from: 'other.writer === hello.writer || hello.fence.includes(other.writer)', to: 'false' },
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
    patches: [
      {
        file: 'src/store/road-back.js',
        from: 'state.replica.hasSent ? randomName(options.random) : state.replica.writer',
        to: 'state.replica.writer',
      },
    ],
    found: /protocol.gateRefused|diverged|stuck/,
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
    found: /protocol.badFrame/,
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
    isSlow: true,
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
];
