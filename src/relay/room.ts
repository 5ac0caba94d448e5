import { checkAccess, createAccessContext } from '../access/access.ts';
import type { UpdateEffect } from '../doc/update.ts';
import { CotableError, isCotableError } from '../errors.ts';
import { checkAction, checkKey } from '../mutation/enqueue.ts';
import { mutationId, randomName } from '../mutation/mutation-id.ts';
import type { RowSource } from '../mutation/overlay.ts';
import { type Call, checkCall, runAndCommit, type MutatorBody, type MutatorHost, type MutatorResult } from '../mutation/run.ts';
import type { Session } from '../schema/schema.ts';
import type { JsonValue } from '../util/json.ts';
import type { Acceptance, MutationKey, RoomBirth } from '../ports/relay-storage.ts';
import type { RunCancel, RunRequest } from '../ports/run-storage.ts';
import { RELAY_WRITER } from '../ports/writer-ids.ts';
import type { MutateFrame, TableUpdate } from '../protocol/frames.ts';
import { parseJson } from '../protocol/json.ts';
import { CLOCK_MARGIN_MS, CLOCK_STEP_MS } from '../protocol/limits.ts';
import { checkFrameSize } from '../protocol/measure.ts';
import { encodeRecord, encodeTables } from '../protocol/records.ts';
import { clockToMs, createHybridClock, msToClock } from '../util/hlc.ts';
import { createCommits, type Accepted, type Commits } from './commits.ts';
import { checkRow } from '../schema/row.ts';
import { isOutgrown } from './epoch.ts';
import { loadRoom, type LoadedRoom, type RoomOptions } from './load-room.ts';
import { createMarks, type Marks } from './marks.ts';
import type { Poison } from './quarantine.ts';
import { createRefusals } from './refusals.ts';
import type { RoomTable } from './room-table.ts';
import { createWriters, type Writers } from './writers.ts';

/** What every other rule let pass, and that broke the documents all the same. */
const POISONOUS = { rule: 'an update leaves the document well' };
/** A snapshot that is more entries behind than this is made anew for the next cold join. */
const FRESH_SNAPSHOT = 200;
/** Whether documents have outgrown their rows is looked at this often for each `minItems` mutations. */
const CHECKS = 5;

/** In whose name server code writes; without it, the relay's. */
export interface MutationOrigin {
  readonly userId: string;
  /** Of the runs that it asks for. Left out: nothing but who it is. */
  readonly session?: Session;
  /** `ctx.mutationId`, if not that of the mutation: it makes what is derived from it the same whenever it is tried again. */
  readonly id?: string;
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
  /** Whether nothing of it is taken. */
  readonly isReader?: boolean;
  /** For rules. Left out: nothing but who it is. */
  readonly session?: Session;
}

/** The user of mutations that the relay makes. */
export const SYSTEM = 'system';

export interface RoomEvents {
  /** A group is kept: acknowledge it, then tell the others. */
  committed(group: readonly Accepted<Author>[]): void;
  /** A mutation was refused, for `reason`. */
  refused(frame: MutateFrame, author: Author, reason: CotableError): void;
  /** The room is of no use any more: what it holds in memory may not be what is kept. */
  broken(error: unknown, poison?: Poison): void;
  /** The documents have become much larger than their rows: told now and then, until the room is closed. */
  outgrown(): void;
  /** A run is canceled, as far as it is that user's, once `kept` says that this is kept. */
  canceling(cancel: RunCancel, kept: Promise<unknown>): void;
}

/** One room in memory: judges, folds, numbers and keeps. Knows no links. */
export interface Room extends RoomBirth {
  readonly marks: Marks;
  readonly writers: Writers;
  readonly commits: Commits<Author>;
  /**
   * Takes a store's mutation. `duplicate`: it was judged before. `refused`: it never will be accepted, nor anything else of
   * its writer. Throws what its link is closed with.
   */
  submit(frame: MutateFrame, author: Author): 'accepted' | 'duplicate' | 'refused';
  /** Resolves when all that was accepted or refused before this call is kept. Rejects when the storage failed. */
  settled(): Promise<void>;
  /** Runs a mutator here. Resolves when the mutation is kept, with its place in the log. */
  mutate(name: string, input: unknown, origin?: MutationOrigin): Promise<{ readonly id: string; readonly seq: number }>;
  /** The same for code that has no name in the schema. */
  perform(name: string, body: MutatorBody, origin: MutationOrigin): Promise<{ readonly id: string; readonly seq: number }>;
  /** A table of the schema as it stands. */
  source(table: string): RowSource;
  /** Whether nothing is being made or kept, so that the room may leave memory. */
  readonly isIdle: boolean;
  /** Nothing more is accepted, `reason` says why: this memory is not the room any more. */
  close(reason: CotableError): void;
  /** The documents as of a `seq` that is kept. Cached. */
  snapshot(): Promise<{ readonly seq: number; readonly bytes: Uint8Array }>;
}

/** Loads a room as it is kept. */
export async function openRoom(options: RoomOptions, events: RoomEvents): Promise<Room> {
  return createRoom(options, await loadRoom(options), events);
}

function createRoom(options: RoomOptions, { stored, last, tables, isCompactable, clock: readClock }: LoadedRoom, events: RoomEvents): Room {
  const { name: room, schema, storage, clock, random } = options;
  const { compaction } = options.limits;
  const { lineage, epoch } = stored;
  const replica = randomName(random);
  const checkEvery = Math.max(1, Math.floor(compaction.minItems / CHECKS));
  const hybrid = createHybridClock(() => clock.now());
  let highestClock = Math.max(readClock, ...[...tables.values()].map((table) => table.highestClock()));
  hybrid.see(highestClock);
  let head = stored.head;
  let counter = 0;
  let running = 0;
  let closed: CotableError | undefined;
  let snapshot = stored.snapshot;
  let making: Promise<{ readonly seq: number; readonly bytes: Uint8Array }> | undefined;
  const marks = createMarks(storage, room);
  const writers = createWriters(storage, room, last);
  const commits = createCommits<Author>({
    storage,
    room,
    epoch,
    head,
    soon: clock.soon,
    committed: events.committed,
    failed: (error) => events.broken(error),
  });
  const refusals = createRefusals({ storage, room, marks, writers, commits, failed: (error) => events.broken(error) });
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
    mutation: { key: MutationKey; writer: number; number: number; clock: number; runs: readonly RunRequest[] },
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
    const { runs } = mutation;
    const seq = head;
    commits.add({
      acceptance: { entry: { seq, bytes }, mark: key, writer: { writer: by, owner, number }, runs, ...(attempt && { attempt }) },
      author,
      ack: () => encodeRecord({ kind: 'ack', seq, key, repairs }),
    });
    // Nothing that such a run writes may come behind this.
    const kept = runs.some((run) => 'cancel' in run) ? commits.settled() : undefined;
    for (const run of runs) if ('cancel' in run && kept) events.canceling(run, kept);
    if (isCompactable && seq % checkEvery === 0 && isOutgrown(tables, compaction)) events.outgrown();
    return seq;
  }

  function checkFrame(frame: MutateFrame): void {
    if (frame.lineage !== lineage || frame.epoch !== epoch) throw new CotableError('room.lineageChanged', {});
    if (!Object.hasOwn(schema.mutators, frame.name)) throw new CotableError('mutation.unknown', { name: frame.name });
    const ceiling = Math.max(msToClock(clock.now() + CLOCK_MARGIN_MS), highestClock + msToClock(CLOCK_STEP_MS));
    if (frame.clock > ceiling) throw new CotableError('clock.outOfBounds', { aheadMs: clockToMs(frame.clock) - clock.now() });
    if (new Set(frame.updates.map((update) => update.table)).size < frame.updates.length) {
      throw new CotableError('protocol.gateRefused', { rule: 'a table is updated once' });
    }
  }

  /** The runs that a mutation asks for; or why one that is what a store writes is not taken all the same. */
  function runsOf(
    { key, intents }: MutateFrame,
    author: Author,
    judged: readonly { readonly table: string; readonly judged: UpdateEffect }[],
  ): { readonly refusal: CotableError } | { readonly runs: readonly RunRequest[] } {
    try {
      if (author.isReader) throw new CotableError('auth.forbidden', { room });
      for (const intent of intents) {
        if ('cancel' in intent) continue;
        checkAction(schema, intent.name, parseJson(intent.input));
        if (intent.key !== '') checkKey(intent.name, intent.key);
      }
      const { userId, session } = author;
      const ctx = createAccessContext({ userId, room, session: session ?? { userId } }, (table) => tableOf(table).source);
      for (const { table, judged: update } of judged) {
        const changes = tableOf(table).changes(update.effect);
        for (const { key, after } of changes) if (after) checkRow(schema, table, key, after);
        checkAccess(options.access, ctx, table, changes);
      }
      return { runs: options.requests.ofMutation(mutationId(key), intents, { userId, session, room }) };
    } catch (error) {
      // An action that this backend does not have yet is waited for.
      if (!isCotableError(error) || isCotableError(error, 'action.unknown')) throw error;
      return { refusal: error };
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
      return running === 0 && commits.isIdle && refusals.isIdle;
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
      let left = options.limits.items;
      const judged = frame.updates.map((update) => {
        const judged = tableOf(update.table).judge(frame.writer, frame.clock, update.bytes, left);
        left -= judged.items;
        return { ...update, judged };
      });
      const asked = runsOf(frame, author, judged);
      if ('refusal' in asked) {
        refusals.add(frame, author, asked.refusal);
        events.refused(frame, author, asked.refusal);
        return 'refused';
      }
      // From here on nothing is refused: memory changes, and must be thrown away if it cannot be kept.
      try {
        const repairs: TableUpdate[] = [];
        for (const update of judged) {
          const bytes = tableOf(update.table).accept(update.bytes, update.judged);
          if (bytes) repairs.push({ table: update.table, bytes });
        }
        writers.accepted(frame.writer, frame.number);
        marks.take(frame.key);
        accept({ ...frame, ...asked }, frame.updates, repairs, author, author.userId);
      } catch (error) {
        events.broken(error, poison);
        throw new CotableError('protocol.gateRefused', POISONOUS, { cause: error });
      }
      return 'accepted';
    },

    mutate: (name, input, origin) => perform(name, checkCall(host, name, input), undefined, origin),
    perform: (name, body, origin) => perform(name, null, body, origin),
    source: (table) => tableOf(table).source,
    settled: async () => void (await Promise.all([commits.settled(), refusals.settled()])),

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
    const call = { id: origin.id ?? mutationId(key), name, input, userId: origin.userId, at: clock.now() };
    running += 1;
    try {
      const seq = await runAndCommit(host, call, (result) => commit(call, result, key, origin), body);
      await commits.settled();
      return { id: call.id, seq };
    } finally {
      running -= 1;
    }
  }

  function commit(
    { id, name }: Call,
    result: MutatorResult,
    key: MutationKey,
    { userId, session, attempt, assertPresent, placed }: MutationOrigin,
  ): number {
    assertOpen();
    assertPresent?.();
    const at = hybrid.next();
    const changed = result.changes(at);
    checkFrameSize(name, changed, result.intents);
    const runs = options.requests.ofMutation(id, result.intents, { userId, session, room });
    try {
      const updates: TableUpdate[] = [];
      for (const [table, changes] of changed) {
        const bytes = tableOf(table).write(changes);
        if (bytes) updates.push({ table, bytes });
      }
      const mutation = { key, writer: RELAY_WRITER, number: writers.next(), clock: at, runs };
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
