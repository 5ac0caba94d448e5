import { CotableError } from '../errors.ts';
import { mutationId, randomName } from '../mutation/mutation-id.ts';
import type { RowSource } from '../mutation/overlay.ts';
import { checkAction, checkCall, runAndCommit, type MutatorBody, type MutatorHost, type MutatorResult } from '../mutation/run.ts';
import type { JsonValue } from '../util/json.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Acceptance, MutationKey, QueuedRun, RelayStorage, RoomBirth, StoredRoom } from '../ports/relay-storage.ts';
import type { Intent, MutateFrame, TableUpdate } from '../protocol/frames.ts';
import { parseJson } from '../protocol/json.ts';
import { CLOCK_MARGIN_MS } from '../protocol/limits.ts';
import { checkFrameSize } from '../protocol/measure.ts';
import { decodeRecord, decodeTables, encodeRecord, encodeTables } from '../protocol/records.ts';
import { clockToMs, createHybridClock, msToClock } from '../util/hlc.ts';
import { createCommits, type Accepted, type Commits } from './commits.ts';
import type { MutatorFunctions } from '../mutation/run.ts';
import type { AnySchema } from '../schema/schema.ts';
import { createMarks, type Marks } from './marks.ts';
import type { Poison } from './quarantine.ts';
import { createRoomTable, type RoomTable } from './room-table.ts';
import { createWriters, type Writers } from './writers.ts';

/** How far past the highest accepted clock a mutation may be when the relay's own clock has stepped back. */
const CLOCK_STEP = msToClock(1000);
/** What every other rule let pass, and that broke the documents all the same. */
const POISONOUS = { rule: 'an update leaves the document well' };
/** Entries are read in pages of this size. */
export const PAGE = 200;
/** A snapshot that is more entries behind than this is made anew for the next cold join. */
const FRESH_SNAPSHOT = 200;

export interface RoomOptions {
  readonly name: string;
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly storage: RelayStorage;
  readonly clock: Clock;
  readonly random: Random;
  /** More structs and deleted items than this in one frame are refused. */
  readonly items: number;
  /** Whether a frame has broken this room before. */
  readonly isQuarantined: (poison: Poison) => boolean;
}

/** In whose name server code writes; without it, the relay's. */
export interface MutationOrigin {
  readonly userId: string;
  /** The attempt of a run that writes; with `ending` the run ends with this mutation. */
  readonly attempt?: Acceptance['attempt'];
  /** Throws when the attempt may not write any more: asked in the very moment in which it would. */
  readonly assertPresent?: () => void;
  /** Called with its place in the log once that is known, before anything of it is kept or told. */
  readonly placed?: (seq: number) => void;
}

/** Who a mutation came from. */
export interface Author {
  readonly userId: string;
}

/** The user of mutations that the relay makes. */
export const SYSTEM = 'system';

export interface RoomEvents {
  /** A group is kept: acknowledge it, then tell the others. */
  committed(group: readonly Accepted<Author>[]): void;
  /** The room is of no use any more: what it holds in memory may not be what is kept. */
  broken(error: unknown, poison?: Poison): void;
}

/** One room in memory: judges, folds, numbers and keeps. Knows no links. */
export interface Room extends RoomBirth {
  readonly marks: Marks;
  readonly writers: Writers;
  readonly commits: Commits<Author>;
  /** Takes a store's mutation. `duplicate`: it was judged before. Throws what its link is closed with. */
  submit(frame: MutateFrame, author: Author): 'accepted' | 'duplicate';
  /** Runs a mutator here. Resolves when the mutation is kept, with its place in the log. */
  mutate(name: string, input: unknown, origin?: MutationOrigin): Promise<{ readonly id: string; readonly seq: number }>;
  /** The same for code that has no name in the schema. */
  perform(name: string, body: MutatorBody, origin: MutationOrigin): Promise<{ readonly id: string; readonly seq: number }>;
  /** A table of the schema as it stands. */
  source(table: string): RowSource;
  /** Keeps the room in memory until the function returned is called. */
  hold(): () => void;
  /** Whether nothing is being made or kept, so that the room may leave memory. */
  readonly isIdle: boolean;
  /** Nothing more is accepted, `reason` says why: this memory is not the room any more. */
  close(reason: CotableError): void;
  /** The documents as of a `seq` that is kept. Cached. */
  snapshot(): Promise<{ readonly seq: number; readonly bytes: Uint8Array }>;
}

/** Loads a room as it is kept: snapshot, then the log behind it. */
export async function openRoom(options: RoomOptions, events: RoomEvents): Promise<Room> {
  const { storage, random, name } = options;
  const stored = await storage.openRoom(name, { lineage: randomName(random), epoch: 1 });
  const { snapshot } = stored;
  const updates: TableUpdate[] = snapshot ? [...orCorrupt(() => decodeTables(snapshot.bytes), `snapshot of room ${name}`)] : [];
  for (let seq = stored.snapshot?.seq ?? 0; seq < stored.head;) {
    const page = await storage.entries(name, seq, PAGE);
    for (const entry of page) {
      updates.push(...orCorrupt(() => updatesOf(entry.bytes), `log of room ${name} at ${entry.seq}`));
      seq = entry.seq;
    }
    if (page.length === 0) throw new CotableError('storage.corrupt', { record: `log of room ${name} after ${seq}` });
  }
  return createRoom(options, stored, updates, events);
}

function createRoom(options: RoomOptions, stored: StoredRoom, updates: readonly TableUpdate[], events: RoomEvents): Room {
  const { name: room, schema, storage, clock, random } = options;
  const { lineage, epoch } = stored;
  const writer = randomName(random);
  const replica = randomName(random);
  const tables = new Map<string, RoomTable>();
  for (const name of Object.keys(schema.tables)) {
    tables.set(
      name,
      createRoomTable(
        name,
        writer,
        updates.filter((update) => update.table === name).map((update) => update.bytes),
      ),
    );
  }
  const hybrid = createHybridClock(() => clock.now());
  let highestClock = Math.max(0, ...[...tables.values()].map((table) => table.highestClock()));
  hybrid.see(highestClock);
  let head = stored.head;
  let counter = 0;
  let running = 0;
  let closed: CotableError | undefined;
  let snapshot = stored.snapshot;
  let making: Promise<{ readonly seq: number; readonly bytes: Uint8Array }> | undefined;
  const marks = createMarks(storage, room);
  const writers = createWriters(storage, room);
  const commits = createCommits<Author>({
    storage,
    room,
    epoch,
    head,
    soon: clock.soon,
    committed: events.committed,
    failed: (error) => events.broken(error),
  });
  const host: MutatorHost = {
    schema,
    mutators: options.mutators,
    room,
    source: (table) => tableOf(table).source,
  };

  function tableOf(name: string): RoomTable {
    const table = tables.get(name);
    if (!table) throw new CotableError('protocol.gateRefused', { rule: `there is a table ${name}` });
    return table;
  }

  function accept(
    mutation: { key: MutationKey; writer: number; number: number; clock: number; intents: readonly Intent[] },
    own: readonly TableUpdate[],
    repairs: readonly TableUpdate[],
    author: Author,
    owner: string,
    attempt?: Acceptance['attempt'],
  ): number {
    head += 1;
    highestClock = Math.max(highestClock, mutation.clock);
    hybrid.see(mutation.clock);
    const { key, writer: by, number, clock: at } = mutation;
    const bytes = encodeRecord({ kind: 'entry', seq: head, key, writer: by, number, clock: at, updates: own, repairs });
    const runs = mutation.intents.map((intent, index): QueuedRun => ({
      id: `${mutationId(key)}:${index + 1}`,
      name: intent.name,
      input: intent.input,
      userId: author.userId,
      queuedAt: clock.now(),
    }));
    const seq = head;
    commits.add({
      acceptance: { entry: { seq, bytes }, mark: key, writer: { writer: by, owner, number }, runs, ...(attempt && { attempt }) },
      author,
      ack: () => encodeRecord({ kind: 'ack', seq, key, repairs }),
    });
    return seq;
  }

  function checkFrame(frame: MutateFrame): void {
    if (frame.lineage !== lineage || frame.epoch !== epoch) throw new CotableError('room.lineageChanged', {});
    if (!Object.hasOwn(schema.mutators, frame.name)) throw new CotableError('mutation.unknown', { name: frame.name });
    const ceiling = Math.max(msToClock(clock.now() + CLOCK_MARGIN_MS), highestClock + CLOCK_STEP);
    if (frame.clock > ceiling) throw new CotableError('clock.outOfBounds', { aheadMs: clockToMs(frame.clock) - clock.now() });
    for (const intent of frame.intents) checkAction(schema, intent.name, parseJson(intent.input));
    if (new Set(frame.updates.map((update) => update.table)).size < frame.updates.length) {
      throw new CotableError('protocol.gateRefused', { rule: 'a table is updated once' });
    }
  }

  async function makeSnapshot(): Promise<{ readonly seq: number; readonly bytes: Uint8Array }> {
    // The documents hold what was accepted; it may be shown as soon as that is kept.
    const made = { seq: head, bytes: encodeTables([...tables].map(([table, state]) => ({ table, bytes: state.encode() }))) };
    await commits.settled();
    snapshot = made;
    await storage.saveSnapshot(room, made);
    return made;
  }

  return {
    lineage,
    epoch,
    marks,
    writers,
    commits,

    get isIdle() {
      return running === 0 && commits.isIdle;
    },
    close(reason) {
      closed ??= reason;
    },

    submit(frame, author) {
      assertOpen();
      if (writers.isDuplicate(frame.writer, frame.number)) return 'duplicate';
      writers.checkNext(frame.writer, frame.number);
      if (!marks.isFree(frame.key)) return 'duplicate';
      checkFrame(frame);
      const poison = { frame, author };
      if (options.isQuarantined(poison)) throw new CotableError('protocol.gateRefused', POISONOUS);
      // The limit is of the whole frame.
      let left = options.items;
      const judged = frame.updates.map((update) => {
        const judged = tableOf(update.table).judge(frame.writer, frame.clock, update.bytes, left);
        left -= judged.items;
        return { ...update, judged };
      });
      // From here on nothing is refused: memory changes, and must be thrown away if it cannot be kept.
      try {
        const repairs: TableUpdate[] = [];
        for (const update of judged) {
          const bytes = tableOf(update.table).accept(update.bytes, update.judged);
          if (bytes) repairs.push({ table: update.table, bytes });
        }
        writers.accepted(frame.writer, frame.number);
        marks.take(frame.key);
        accept(frame, frame.updates, repairs, author, author.userId);
      } catch (error) {
        events.broken(error, poison);
        throw new CotableError('protocol.gateRefused', POISONOUS, { cause: error });
      }
      return 'accepted';
    },

    mutate: (name, input, origin) => perform(name, checkCall(host, name, input), undefined, origin),
    perform: (name, body, origin) => perform(name, null, body, origin),
    source: (table) => tableOf(table).source,
    hold() {
      running += 1;
      return () => void (running -= 1);
    },

    async snapshot() {
      if (snapshot && commits.head - snapshot.seq <= FRESH_SNAPSHOT) return snapshot;
      making ??= makeSnapshot().finally(() => (making = undefined));
      return making;
    },
  };

  async function perform(
    name: string,
    input: JsonValue,
    body: MutatorBody | undefined,
    origin: MutationOrigin = { userId: SYSTEM },
  ): Promise<{ readonly id: string; readonly seq: number }> {
    const key = { replica, counter: ++counter };
    const call = { id: mutationId(key), name, input, userId: origin.userId, at: clock.now() };
    running += 1;
    try {
      const seq = await runAndCommit(host, call, (result) => commit(name, result, key, origin), body);
      await commits.settled();
      return { id: call.id, seq };
    } finally {
      running -= 1;
    }
  }

  function commit(
    name: string,
    result: MutatorResult,
    key: MutationKey,
    { userId, attempt, assertPresent, placed }: MutationOrigin,
  ): number {
    assertOpen();
    assertPresent?.();
    const at = hybrid.next();
    const changed = result.changes(at);
    checkFrameSize(name, changed, result.intents);
    try {
      const updates: TableUpdate[] = [];
      for (const [table, changes] of changed) {
        const bytes = tableOf(table).write(changes);
        if (bytes) updates.push({ table, bytes });
      }
      const mutation = { key, writer, number: writers.next(writer), clock: at, intents: result.intents };
      const seq = accept(mutation, updates, [], { userId }, '', attempt);
      placed?.(seq);
      return seq;
    } catch (error) {
      events.broken(error);
      throw error;
    }
  }

  function assertOpen(): void {
    if (closed) throw closed;
  }
}

function updatesOf(entry: Uint8Array): readonly TableUpdate[] {
  const record = decodeRecord(entry);
  return record.kind === 'entry' ? [...record.updates, ...record.repairs] : record.repairs;
}

/** What was well when it was written and cannot be read now was damaged since. */
function orCorrupt<T>(read: () => T, record: string): T {
  try {
    return read();
  } catch (error) {
    throw new CotableError('storage.corrupt', { record }, { cause: error });
  }
}
