import type { AnyAccess } from '../access/access.ts';
import type { CotableError } from '../errors.ts';
import { randomName } from '../mutation/mutation-id.ts';
import type { MutatorFunctions, MutatorHost } from '../mutation/run.ts';
import type { Clock, Random } from '../ports/clock.ts';
import { pickWriter } from '../ports/writer-ids.ts';
import type { AnySchema, Session } from '../schema/schema.ts';
import { createHybridClock, type HybridClock } from '../util/hlc.ts';
import { createDisk, type Disk } from './disk.ts';
import { createForeign, type Foreign } from './foreign.ts';
import { createHost } from './host.ts';
import { createReplica, NOTHING_CONFIRMED, type PendingMutation, type Replica } from './replica.ts';
import type { StoredDevice } from './stored.ts';
import { createStreams, type Streams } from './streams.ts';
import type { TableChanges, TableState } from './table-state.ts';
import { createVerdicts, type VerdictEvents, type Verdicts } from './verdicts.ts';

export interface CoreOptions {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly access: AnyAccess | undefined;
  readonly room: string;
  readonly userId: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether what is confirmed is also elsewhere. */
  readonly hasRelay: boolean;
  /** So many entries of the log are folded into documents that are small. Left out: many. */
  readonly foldLogAfter?: number | undefined;
}

/** What happens in the core that others show or act on. */
export interface CoreEvents extends VerdictEvents {
  /** These are confirmed, whoever made them; heard before the rows of it are. */
  arrived(ids: readonly string[]): void;
  /** Rows changed, all tables together; `pending` too may have. */
  changed(tables: ReadonlyMap<string, TableChanges>): void;
  /** What was on the device could not be read. What the relay has of it will come from there. */
  damaged(error: CotableError): void;
  /** The device cannot keep something any more. */
  notKept(error: CotableError): void;
  /** These are on disk now, or never will be because of `failure`: they may leave this tab. */
  kept(mutations: readonly PendingMutation[], failure?: CotableError): void;
  /** What is pending was built on what is not so any more: `renew` is due. */
  stale(): void;
}

/** What one open store is at any moment, for the parts of its core, which change it. */
export interface CoreState {
  readonly options: CoreOptions;
  readonly events: CoreEvents;
  /** Names this open of the store, and the mutations made in it. */
  readonly replicaName: number;
  replica: Replica;
  device: StoredDevice;
  /** Whether documents and rows still hold what was taken out of the outbox. */
  mustRebuild: boolean;
  /** How often something has turned out to be stale. */
  stales: number;
  /** Writers that may still carry what is pending: the relay must fence them before anything of it is sent again. */
  readonly fence: Set<number>;
  /** Those that it has fenced. */
  readonly fenced: Set<number>;
  readonly disk: Disk;
  readonly hybrid: HybridClock;
  readonly streams: Streams;
  readonly foreign: Foreign;
  readonly verdicts: Verdicts;
  /** The wall clock as the relay would read it. */
  now(): number;
  /** Runs mutators on these tables. */
  hostOf(tables: () => ReadonlyMap<string, TableState>): MutatorHost;
  /** Tells observers what has changed since the last time. */
  publish(): void;
  /** Something pending is not what it was when it ran, or not this tab's any more: `renew` is due, and nothing is sent before. */
  stale(): void;
}

export function createCoreState(options: CoreOptions, events: CoreEvents): CoreState {
  const { schema, clock, random } = options;
  const now = (): number => clock.now() + state.device.clockOffset;
  const disk = createDisk(events.notKept);

  function stale(): void {
    state.stales += 1;
    state.mustRebuild = true;
    events.stale();
  }

  function session(userId: string): Session | undefined {
    if (!schema.session) return { userId };
    return state.device.session && { ...state.device.session, userId };
  }

  const state: CoreState = {
    options,
    events,
    replica: createReplica(schema, { writer: pickWriter(random), last: 0 }, NOTHING_CONFIRMED),
    replicaName: randomName(random),
    device: { format: 1, schemaVersion: schema.schemaVersion, deviceId: randomName(random).toString(36), clockOffset: 0 },
    mustRebuild: false,
    stales: 0,
    fence: new Set(),
    fenced: new Set(),
    disk,
    hybrid: createHybridClock(now),
    streams: createStreams(() => state.replica.tables),
    foreign: createForeign(() => state.replica, stale),
    verdicts: createVerdicts(
      () => state.replica,
      disk,
      {
        rejected: events.rejected,
        judged(judged) {
          // It may have come within a snapshot: what another tab said of it before is not shown again.
          state.foreign.confirmed(judged.flatMap((verdict) => ('seq' in verdict ? verdict.id : [])));
          events.judged(judged);
        },
      },
      () => void (state.mustRebuild = true),
    ),
    now,
    hostOf: (tables) => createHost({ ...options, session }, tables),
    publish() {
      const changed = new Map<string, TableChanges>();
      for (const [name, table] of state.replica.tables) {
        const changes = table.takeChanges();
        if (changes.touched.size > 0) changed.set(name, changes);
      }
      events.changed(changed);
      // Whoever shows a stream until it has ended has the row by then.
      state.streams.settle();
    },
    stale,
  };
  return state;
}
