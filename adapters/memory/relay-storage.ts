import { CotableError } from '../../src/errors.ts';
import type {
  Acceptance,
  MutationKey,
  Outcome,
  QueuedRun,
  Refusal,
  RelayStorage,
  RoomBirth,
  Snapshot,
  StoredRoom,
  WriterState,
} from '../../src/ports/relay-storage.ts';

/** What a {@link memoryRelayStorage} leaves behind: handed to another one, it is what a restart finds. */
export interface MemoryRelayDisk {
  readonly rooms: Map<string, MemoryRoom>;
}

interface MemoryRoom {
  readonly birth: RoomBirth;
  /** The entry of `seq` is at `seq - 1`. */
  readonly log: Uint8Array[];
  /** Refusals as JSON text, so that nobody holds what is kept. */
  readonly marks: Map<string, { readonly seq: number } | { readonly refusal: string }>;
  readonly writers: Map<number, WriterState>;
  readonly runs: QueuedRun[];
  snapshot: Snapshot | undefined;
}

export function memoryRelayDisk(): MemoryRelayDisk {
  return { rooms: new Map() };
}

/**
 * Keeps rooms in memory, for tests and trials. Calls take effect one after the other in later microtasks, as a disk's
 * would, never within the call.
 */
export function memoryRelayStorage(disk: MemoryRelayDisk = memoryRelayDisk()): RelayStorage {
  let last: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;

  function later<T>(run: () => T): Promise<T> {
    if (closing !== undefined) return Promise.reject(new CotableError('storage.closed', {}));
    const done = last.then(run);
    last = done.catch(() => undefined);
    return done;
  }

  /** For calls that write into a room. */
  function roomOf(room: string): MemoryRoom {
    const found = disk.rooms.get(room);
    if (found === undefined) throw conflict();
    return found;
  }

  return {
    description: 'memory',
    openRoom: (room, { lineage, epoch }) =>
      later(() => {
        const found = disk.rooms.get(room) ?? emptyRoom({ lineage, epoch });
        disk.rooms.set(room, found);
        return storedRoom(found);
      }),
    accept: (room, { epoch, after }, group) => {
      const copies = group.map(copyOfAcceptance);
      return later(() => {
        const found = roomOf(room);
        if (found.birth.epoch !== epoch || found.log.length !== after) throw conflict();
        keep(found, copies, judgeWriters(found, copies));
      });
    },
    entries: (room, after, limit) =>
      later(() => {
        const log = disk.rooms.get(room)?.log ?? [];
        const first = Math.min(after, log.length);
        const end = Math.min(first + Math.max(0, Math.floor(limit)), log.length);
        return log.slice(first, end).map((bytes, index) => ({ seq: first + index + 1, bytes: new Uint8Array(bytes) }));
      }),
    outcomes: (room, keys) => {
      const names = keys.map(markName);
      return later(() => names.map((name) => outcomeOf(disk.rooms.get(room)?.marks.get(name))));
    },
    lastCounters: (room, replicas) => {
      const asked = [...replicas];
      return later(() => asked.map((replica) => lastCounter(disk.rooms.get(room)?.marks.keys() ?? [], replica)));
    },
    refuse: async (room, refusals) => {
      const texts = refusals.map(({ mark, refusal }) => [markName(mark), JSON.stringify(refusal)] as const);
      return later(() => {
        const { marks } = roomOf(room);
        for (const [name, refusal] of texts) if (!marks.has(name)) marks.set(name, { refusal });
      });
    },
    writers: (room, writers) => {
      const asked = [...writers];
      return later(() => asked.map((writer) => copyOfKnown(disk.rooms.get(room)?.writers.get(writer))));
    },
    fence: (room, owner, writers) => {
      const fenced = [...writers];
      return later(() => {
        const { writers: known } = roomOf(room);
        for (const writer of fenced) {
          const state = known.get(writer) ?? { writer, owner, last: 0, fenced: true };
          if (state.owner === owner) known.set(writer, { ...state, fenced: true });
        }
      });
    },
    saveSnapshot: (room, { seq, bytes }) => {
      const copy = { seq, bytes: new Uint8Array(bytes) };
      return later(() => {
        const found = roomOf(room);
        if (found.snapshot === undefined || found.snapshot.seq < seq) found.snapshot = copy;
      });
    },
    queuedRuns: (room) =>
      later(() => {
        const runs = disk.rooms.get(room)?.runs ?? [];
        return runs.map((run) => ({ ...run })).sort((a, b) => a.queuedAt - b.queuedAt);
      }),
    close: () => {
      closing ??= last.then(() => undefined);
      return closing;
    },
  };
}

function lastCounter(marks: Iterable<string>, replica: number): number {
  let last = 0;
  for (const name of marks) {
    const [of, counter] = name.split('/').map(Number);
    if (of === replica && counter !== undefined) last = Math.max(last, counter);
  }
  return last;
}

/** Throws the conflict, or answers how the group leaves its writers; changes nothing. */
function judgeWriters(room: MemoryRoom, group: readonly Acceptance[]): ReadonlyMap<number, WriterState> {
  const writers = new Map<number, WriterState>();
  const marks = new Set<string>();
  const runs = new Set(room.runs.map(({ id }) => id));
  group.forEach(({ entry, mark, writer: { writer, owner, number }, runs: queued }, index) => {
    const state = writers.get(writer) ?? room.writers.get(writer) ?? { writer, owner, last: 0, fenced: false };
    if (state.fenced || state.owner !== owner || state.last + 1 !== number) throw conflict();
    writers.set(writer, { ...state, last: number });
    const name = markName(mark);
    if (entry.seq !== room.log.length + index + 1 || room.marks.has(name) || marks.has(name)) throw conflict();
    marks.add(name);
    for (const { id } of queued) {
      if (runs.has(id)) throw conflict();
      runs.add(id);
    }
  });
  return writers;
}

function keep(room: MemoryRoom, group: readonly Acceptance[], writers: ReadonlyMap<number, WriterState>): void {
  for (const { entry, mark, runs } of group) {
    room.log.push(entry.bytes);
    room.marks.set(markName(mark), { seq: entry.seq });
    room.runs.push(...runs);
  }
  for (const [writer, state] of writers) room.writers.set(writer, state);
}

function emptyRoom(birth: RoomBirth): MemoryRoom {
  return { birth, log: [], marks: new Map(), writers: new Map(), runs: [], snapshot: undefined };
}

function storedRoom({ birth, log, snapshot }: MemoryRoom): StoredRoom {
  return { ...birth, head: log.length, snapshot: snapshot && { seq: snapshot.seq, bytes: new Uint8Array(snapshot.bytes) } };
}

function copyOfAcceptance({ entry, mark, writer, runs }: Acceptance): Acceptance {
  return {
    entry: { seq: entry.seq, bytes: new Uint8Array(entry.bytes) },
    mark: { ...mark },
    writer: { ...writer },
    runs: runs.map((run) => ({ ...run })),
  };
}

function copyOfKnown(state: WriterState | undefined): WriterState | undefined {
  return state && { ...state };
}

function outcomeOf(mark: { readonly seq: number } | { readonly refusal: string } | undefined): Outcome | undefined {
  if (mark === undefined) return undefined;
  return 'seq' in mark ? { seq: mark.seq } : { refused: JSON.parse(mark.refusal) as Refusal };
}

function markName({ replica, counter }: MutationKey): string {
  return `${replica}/${counter}`;
}

function conflict(): CotableError {
  return new CotableError('storage.conflict', {});
}
