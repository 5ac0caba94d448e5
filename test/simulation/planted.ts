import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runSimulator } from './run.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A mistake that could be in the product: a piece of what is built that becomes another. */
export interface PlantedBug {
  readonly name: string;
  readonly patches: readonly { readonly file: string; readonly from: string; readonly to: string }[];
  /** What the simulator says of it. */
  readonly found: RegExp;
}

/** Runs `npm run sim` on a copy of the build that has the bug. */
export async function simulateWith(bug: PlantedBug, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'cotable-planted-'));
  try {
    for (const path of ['package.json', 'dist', 'test/tools/sim.mjs', 'test/simulation/items.mjs']) {
      cpSync(join(root, path), join(folder, path), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const { file, from, to } of bug.patches) {
      const path = join(folder, 'dist', file);
      const pieces = readFileSync(path, 'utf8').split(from);
      if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
      writeFileSync(path, pieces.join(to));
    }
    return await runSimulator(folder, args);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
        file: 'src/store/session.js',
        from: "link.send({ type: 'mutate',",
        to: "core.writeQuietly({ delete: [['outbox', key.replica, key.counter]] }); link.send({ type: 'mutate',",
      },
    ],
    found: /lost=/,
  },
  {
    name: 'the relay looks at no marks',
    patches: [{ file: 'src/relay/room.js', from: '!marks.isFree(frame.key)', to: 'false' }],
    found: /room thrown out of memory/,
  },
  {
    name: 'nobody looks at marks',
    patches: [
      { file: 'src/relay/room.js', from: '!marks.isFree(frame.key)', to: 'false' },
      { file: 'adapters/memory/relay-storage.js', from: ' || room.marks.has(name)', to: '' },
    ],
    found: /is in the log twice/,
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
    patches: [{ file: 'src/store/session.js', from: 'const fence = [...core.fence];', to: 'const fence = [];' }],
    found: /greets with .* pending, and does not name writer/,
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
    patches: [{ file: 'src/store/session.js', from: '&& core.isUnstored(item.id)', to: '&& false' }],
    found: /its record never was on a device/,
  },
  {
    name: 'a rebuilt replica keeps its writer',
    patches: [{ file: 'src/store/core.js', from: 'replica.hasSent ? randomName(random) : replica.writer', to: 'replica.writer' }],
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
  {
    name: 'a gap in the numbers of a writer is let pass',
    patches: [{ file: 'src/relay/writers.js', from: 'number !== state.last + 1', to: 'false' }],
    found: /protocol.gateRefused/,
  },
];
