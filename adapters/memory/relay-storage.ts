import { CotableError } from '../../src/errors.ts';
import { FIRST_PICKED_WRITER, RELAY_WRITER } from '../../src/ports/writer-ids.ts';
import type {
  Acceptance,
  MutationKey,
  NewRoom,
  Outcome,
  QueuedRun,
  Refusal,
  RelayStorage,
  RunEnding,
  Snapshot,
  StoredRoom,
  StoredRun,
  WriterState,
} from '../../src/ports/relay-storage.ts';
import type { StreamPart } from '../../src/ports/stream-storage.ts';
import { clone } from '../../src/util/clone.ts';

/** What a {@link memoryRelayStorage} leaves behind: handed to another one, it is what a restart finds. */
export interface MemoryRelayDisk {
  readonly rooms: Map<string, MemoryRoom>;
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
  /** By id, in the order they were queued. */
  readonly runs: Map<string, MemoryRun>;
  /** What is kept of open streams, by run and number. */
  readonly streams: Map<string, Map<number, StreamPart>>;
  snapshot: Snapshot | undefined;
}

interface MemoryRun extends QueuedRun {
  attempt: number;
  ending: RunEnding | undefined;
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
    queueRun: (room, run) => {
      const copy = newRun(run);
      return later(() => {
        const { runs } = roomOf(room);
        if (!runs.has(copy.id)) runs.set(copy.id, copy);
      });
    },
    beginAttempt: (room, run) =>
      later(() => {
        const found = roomOf(room).runs.get(run);
        if (!found || found.ending) throw conflict();
        found.attempt += 1;
        return found.attempt;
      }),
    run: (room, run) => later(() => toStored(room, disk.rooms.get(room)?.runs.get(run))),
    openRuns: (room) =>
      later(() =>
        [...disk.rooms]
          .filter(([name]) => room === undefined || name === room)
          .flatMap(([name, { runs }]) => [...runs.values()].flatMap((run) => (run.ending ? [] : (toStored(name, run) ?? []))))
          .sort((a, b) => a.queuedAt - b.queuedAt),
      ),
    keepStreams: (parts) => {
      const copies = parts.map(copyOfPart);
      return later(() => {
        for (const part of copies) {
          const room = disk.rooms.get(part.room);
          const run = room?.runs.get(part.run);
          if (!room || !run || run.ending || run.attempt !== part.attempt) continue;
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
  const runs = new Set(room.runs.keys());
  const ended = new Set<string>();
  group.forEach(({ entry, mark, writer: { writer, owner, number }, runs: queued, attempt }, index) => {
    const state = writers.get(writer) ?? room.writers.get(writer) ?? newWriter(writer, owner, undefined);
    if (state.fenced || state.holder === 0 || state.owner !== owner || state.last + 1 !== number) throw conflict();
    writers.set(writer, { ...state, last: number });
    const name = markName(mark);
    if (entry.seq !== room.log.length + index + 1 || room.marks.has(name) || marks.has(name)) throw conflict();
    marks.add(name);
    for (const { id } of queued) {
      if (runs.has(id)) throw conflict();
      runs.add(id);
    }
    if (!attempt) return;
    const run = room.runs.get(attempt.run);
    if (!run || run.ending || ended.has(attempt.run) || run.attempt !== attempt.attempt) throw conflict();
    if (attempt.ending) ended.add(attempt.run);
  });
  return writers;
}

function keep(room: MemoryRoom, group: readonly Acceptance[], writers: ReadonlyMap<number, WriterState>): void {
  for (const { entry, mark: key, runs, attempt } of group) {
    room.log.push(entry.bytes);
    mark(room, key, { seq: entry.seq });
    for (const run of runs) room.runs.set(run.id, newRun(run));
    const run = attempt && room.runs.get(attempt.run);
    if (run) run.ending = attempt.ending;
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
    runs: new Map(),
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
    runs: runs.map((run) => ({ ...run })),
    ...(attempt && { attempt: clone(attempt) }),
  };
}

function copyOfPart(part: StreamPart): StreamPart {
  return { ...part, bytes: new Uint8Array(part.bytes) };
}

function newRun({ id, name, input, userId, queuedAt }: QueuedRun): MemoryRun {
  return { id, name, input, userId, queuedAt, attempt: 0, ending: undefined };
}

function toStored(room: string, run: MemoryRun | undefined): StoredRun | undefined {
  return run && { ...clone(run), room, status: run.ending?.status ?? (run.attempt > 0 ? 'running' : 'queued') };
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
