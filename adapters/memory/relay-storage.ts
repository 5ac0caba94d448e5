import { CotableError } from '../../src/errors.ts';
import { FIRST_PICKED_WRITER, RELAY_WRITER } from '../../src/ports/writer-ids.ts';
import type { Refusal } from '../../src/ports/refusal.ts';
import type {
  Acceptance,
  MutationKey,
  NewRoom,
  Outcome,
  RelayStorage,
  Snapshot,
  StoredRoom,
  WriterState,
} from '../../src/ports/relay-storage.ts';
import type { StreamPart } from '../../src/ports/stream-storage.ts';
import { clone } from '../../src/util/clone.ts';
import type { RunStorage } from '../../src/ports/run-storage.ts';
import { createRunCalls, memoryRuns, type MemoryRuns } from './run-calls.ts';

/** What a {@link memoryRelayStorage} leaves behind: handed to another one, it is what a restart finds. */
export interface MemoryRelayDisk {
  readonly rooms: Map<string, MemoryRoom>;
  readonly runs: MemoryRuns;
}

interface MemoryRoom {
  birth: NewRoom;
  /** The entry of `seq` is at `seq - 1`. */
  readonly log: Uint8Array[];
  /** Refusals as JSON text, so that nobody holds what is kept. */
  readonly marks: Map<string, { readonly seq: number } | { readonly refusal: string }>;
  /** The highest counter of each replica that is marked. */
  readonly counters: Map<number, number>;
  readonly writers: Map<number, WriterState>;
  /** What is kept of open streams, by run and number. */
  readonly streams: Map<string, Map<number, StreamPart>>;
  snapshot: Snapshot | undefined;
}

export function memoryRelayDisk(): MemoryRelayDisk {
  return { rooms: new Map(), runs: memoryRuns() };
}

/**
 * Keeps rooms in memory, for tests and trials. Calls take effect one after the other in later microtasks, as a disk's
 * would, never within the call.
 */
export function memoryRelayStorage(disk: MemoryRelayDisk = memoryRelayDisk()): RelayStorage {
  let last: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;
  const runs = createRunCalls(disk.runs, (room) => disk.rooms.has(room));

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

  /** A call about runs, with arguments of its own. */
  function run<M extends keyof RunStorage>(method: M): RunStorage[M] {
    const call = runs[method] as (...args: readonly unknown[]) => unknown;
    const made = async (...args: readonly unknown[]): Promise<unknown> => {
      const copies = structuredClone(args);
      return later(() => call(...copies));
    };
    return made as RunStorage[M];
  }

  return {
    description: 'memory',
    owner: 'relay',
    openRoom: (room, { lineage, epoch, schemaVersion }) =>
      later(() => {
        const found = disk.rooms.get(room) ?? emptyRoom({ lineage, epoch, schemaVersion });
        disk.rooms.set(room, found);
        return storedRoom(found);
      }),
    accept: (room, { epoch, after }, group) => {
      const copies = group.map(copyOfAcceptance);
      return later(() => {
        const found = roomOf(room);
        if (found.birth.epoch !== epoch || found.log.length !== after) throw conflict();
        const writers = judgeWriters(found, copies);
        const asked = copies.map(({ runs: requests, attempt, entry }) => ({ runs: requests, attempt, seq: entry.seq }));
        runs.judge(room, asked);
        keep(found, copies, writers);
        for (const one of asked) runs.ask(room, one);
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
      return later(() => asked.map((replica) => disk.rooms.get(room)?.counters.get(replica) ?? 0));
    },
    refuse: async (room, refusals) => {
      const texts = refusals.map(({ mark, refusal }) => [{ ...mark }, JSON.stringify(refusal)] as const);
      return later(() => {
        const found = roomOf(room);
        for (const [key, refusal] of texts) if (!found.marks.has(markName(key))) mark(found, key, { refusal });
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
          const state = known.get(writer) ?? { writer, owner, last: 0, fenced: true, holder: undefined };
          if (state.owner === owner) known.set(writer, { ...state, fenced: true });
        }
      });
    },
    leaseWriter: (room, owner, replica) =>
      later(() => {
        const { writers } = roomOf(room);
        const all = [...writers.values()].filter(({ writer }) => writer < FIRST_PICKED_WRITER).sort((a, b) => a.writer - b.writer);
        const known =
          all.find((state) => !state.fenced && state.holder === replica && state.owner === owner) ??
          all.find(({ fenced, holder }) => !fenced && holder === 0);
        const next = Math.max(RELAY_WRITER, all.at(-1)?.writer ?? 0) + 1;
        if (!known && next >= FIRST_PICKED_WRITER) throw conflict();
        const state = { ...(known ?? newWriter(next, owner, replica)), owner, holder: replica };
        writers.set(state.writer, state);
        return { ...state };
      }),
    returnWriter: (room, { writer, owner, holder, last }) =>
      later(() => {
        const { writers } = roomOf(room);
        const state = writers.get(writer);
        if (!state || state.fenced || state.owner !== owner || state.holder !== holder || state.last !== last) return false;
        writers.set(writer, { ...state, holder: 0 });
        return true;
      }),
    saveSnapshot: (room, { seq, bytes }) => {
      const copy = { seq, bytes: new Uint8Array(bytes) };
      return later(() => {
        const found = roomOf(room);
        if (found.snapshot === undefined || found.snapshot.seq < seq) found.snapshot = copy;
      });
    },
    rebirth: (room, { epoch, after }, { schemaVersion, bytes }) => {
      const copy = new Uint8Array(bytes);
      return later(() => {
        const found = roomOf(room);
        if (found.birth.epoch !== epoch || found.log.length !== after) throw conflict();
        found.birth = { ...found.birth, epoch: epoch + 1, schemaVersion };
        found.snapshot = { seq: after, bytes: copy };
      });
    },
    queueRun: run('queueRun'),
    claimRun: run('claimRun'),
    renewRuns: run('renewRuns'),
    releaseRun: run('releaseRun'),
    parkRun: run('parkRun'),
    freeRuns: run('freeRuns'),
    dueUsers: run('dueUsers'),
    dueRuns: run('dueRuns'),
    nextDue: run('nextDue'),
    hasWork: run('hasWork'),
    cancelRun: run('cancelRun'),
    redriveRun: run('redriveRun'),
    step: run('step'),
    keepStep: run('keepStep'),
    run: run('run'),
    listRuns: run('listRuns'),
    purgeRuns: run('purgeRuns'),
    keepStreams: (parts) => {
      const copies = parts.map(copyOfPart);
      return later(() => {
        for (const part of copies) {
          const room = disk.rooms.get(part.room);
          if (!room || !runs.isLast(part.room, part)) continue;
          const kept = (part.number === 1 ? undefined : room.streams.get(part.run)) ?? new Map<number, StreamPart>();
          room.streams.set(part.run, kept.set(part.number, part));
        }
      });
    },
    keptStreams: (room) =>
      later(() =>
        [...(disk.rooms.get(room)?.streams.values() ?? [])].flatMap((kept) =>
          [...kept.values()].sort((a, b) => a.number - b.number).map(copyOfPart),
        ),
      ),
    close: () => {
      closing ??= last.then(() => undefined);
      return closing;
    },
  };
}

function mark({ marks, counters }: MemoryRoom, key: MutationKey, outcome: { readonly seq: number } | { readonly refusal: string }): void {
  marks.set(markName(key), outcome);
  counters.set(key.replica, Math.max(counters.get(key.replica) ?? 0, key.counter));
}

/** Throws the conflict, or answers how the group leaves its writers; changes nothing. */
function judgeWriters(room: MemoryRoom, group: readonly Acceptance[]): ReadonlyMap<number, WriterState> {
  const writers = new Map<number, WriterState>();
  const marks = new Set<string>();
  group.forEach(({ entry, mark, writer: { writer, owner, number } }, index) => {
    const state = writers.get(writer) ?? room.writers.get(writer) ?? newWriter(writer, owner, undefined);
    if (state.fenced || state.holder === 0 || state.owner !== owner || state.last + 1 !== number) throw conflict();
    writers.set(writer, { ...state, last: number });
    const name = markName(mark);
    if (entry.seq !== room.log.length + index + 1 || room.marks.has(name) || marks.has(name)) throw conflict();
    marks.add(name);
  });
  return writers;
}

function keep(room: MemoryRoom, group: readonly Acceptance[], writers: ReadonlyMap<number, WriterState>): void {
  for (const { entry, mark: key, attempt } of group) {
    room.log.push(entry.bytes);
    mark(room, key, { seq: entry.seq });
    if (attempt?.ending) room.streams.delete(attempt.run);
  }
  for (const [writer, state] of writers) room.writers.set(writer, state);
}

function newWriter(writer: number, owner: string, holder: number | undefined): WriterState {
  return { writer, owner, last: 0, fenced: false, holder };
}

function emptyRoom(birth: NewRoom): MemoryRoom {
  return {
    birth,
    log: [],
    marks: new Map(),
    counters: new Map(),
    writers: new Map(),
    streams: new Map(),
    snapshot: undefined,
  };
}

function storedRoom({ birth, log, snapshot }: MemoryRoom): StoredRoom {
  return { ...birth, head: log.length, snapshot: snapshot && { seq: snapshot.seq, bytes: new Uint8Array(snapshot.bytes) } };
}

function copyOfAcceptance({ entry, mark, writer, runs, attempt }: Acceptance): Acceptance {
  return {
    entry: { seq: entry.seq, bytes: new Uint8Array(entry.bytes) },
    mark: { ...mark },
    writer: { ...writer },
    runs: clone(runs),
    ...(attempt && { attempt: clone(attempt) }),
  };
}

function copyOfPart(part: StreamPart): StreamPart {
  return { ...part, bytes: new Uint8Array(part.bytes) };
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
