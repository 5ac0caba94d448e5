import type { AnyAccess } from '../access/access.ts';
import { CotableError, errorOf } from '../errors.ts';
import { byOrder, mutationId, randomName } from '../mutation/mutation-id.ts';
import type { MutatorFunctions, MutatorHost } from '../mutation/run.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { AckRecord, EntryRecord } from '../protocol/records.ts';
import type { AnySchema } from '../schema/schema.ts';
import { createHybridClock, type HybridClock } from '../util/hlc.ts';
import { createDisk, type Disk } from './disk.ts';
import { createForeign, type Foreign } from './foreign.ts';
import { createHost } from './host.ts';
import type { Journal } from './journal.ts';
import { rebuild } from './rebuild.ts';
import {
  createReplica,
  NOTHING_CONFIRMED,
  type Confirmed,
  type ForeignMutation,
  type OutboxMutation,
  type PendingMutation,
  type Replica,
} from './replica.ts';
import { confirmBatch, devicePut, foldBatch, installBatch, keys, outboxPut, toForeign, type Stored, type StoredDevice } from './stored.ts';
import { createStreams, type Streams } from './streams.ts';
import type { TableChanges, TableState } from './table-state.ts';
import { createVerdicts, type Accepted, type VerdictEvents, type Verdicts } from './verdicts.ts';

/** A device keeps this many entries before it folds them into its documents, at a start or a rebuild. */
const FOLD_LOG_AFTER = 500;

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
}

/** What happens in the core that others show or act on. */
export interface CoreEvents extends VerdictEvents {
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

/** The state of one open store: its replica, what of it is on disk, and the few ways in which both change. */
export interface Core {
  readonly host: MutatorHost;
  /** Names this open of the store, and the mutations made in it. */
  readonly replicaName: number;
  readonly hybrid: HybridClock;
  readonly replica: Replica;
  readonly disk: Pick<Disk, 'isKept' | 'isUnstored' | 'outbox' | 'write' | 'writeQuietly' | 'letGo'>;
  /** What other tabs have pending. */
  readonly foreign: Pick<Foreign, 'accepted' | 'withdrawn' | 'sweep' | 'isWaiting'>;
  readonly verdicts: Verdicts;
  readonly streams: Streams;
  readonly device: StoredDevice;
  /** Writers that may still carry what is pending: the relay must fence them before anything of it is sent again. */
  readonly fence: ReadonlySet<number>;
  /** Whether documents and rows still hold what was taken out of the outbox. */
  readonly mustRebuild: boolean;
  /** The wall clock as the relay would read it. */
  now(): number;
  /** The wall clock of the device itself. */
  localNow(): number;
  /** The relay has told its time, and fenced these writers. */
  welcomed(clockOffset: number, fenced: readonly number[]): void;
  /** Reads the device. What is pending there runs again here, or, if `isShared`, is shown as that of other tabs. */
  load(journal: Journal, isShared: boolean): Promise<Stored & { readonly device: StoredDevice }>;
  /** Writes a mutation that has just been committed; resolves when it is on disk. `record` is put for it, left out: one of the outbox. */
  keep(mutation: PendingMutation, record?: [StorageKey, StorageValue]): Promise<void>;
  /** Shows what other tabs have pending. */
  show(mutations: readonly ForeignMutation[]): void;
  /** Something pending is not what it was when it ran, or not this tab's any more: `renew` is due, and nothing is sent before. */
  stale(): void;
  /** Tells observers what has changed since the last time. */
  publish(): void;
  confirm(records: readonly (EntryRecord | AckRecord)[]): void;
  /** Goes the road back from what is on disk, and judges what cannot run again. */
  replay(ceiling: number): Promise<void>;
  /**
   * Gives up a writer: what this tab is to send runs again under a new one. Which that is the disk says, since another
   * tab may have taken over what was pending here; `adopted` are taken over from others.
   */
  renew(adopted?: ReadonlySet<string>): Promise<void>;
  /** Takes a snapshot, with the entries since, in the place of all that was confirmed, replays what is pending, and judges what cannot run again. */
  install(confirmed: Confirmed, ceiling: number): Promise<void>;
}

interface Build {
  readonly confirmed: Confirmed;
  readonly pending: Iterable<OutboxMutation>;
  /** What was read of some of them from disk. Until this is done they may be shown as another tab's. */
  readonly read: ReadonlyMap<string, ForeignMutation>;
  readonly ceiling: number;
  /** Whether what cannot run again is rejected. */
  readonly isFinal: boolean;
}

export function createCore(options: CoreOptions, events: CoreEvents): Core {
  const { schema, clock, random } = options;
  let mustRebuild = false;
  /** How often something has turned out to be stale. */
  let stales = 0;
  let replica = createReplica(schema, randomName(random), NOTHING_CONFIRMED);
  const replicaName = randomName(random);
  let device: StoredDevice = {
    format: 1,
    schemaVersion: schema.schemaVersion,
    deviceId: randomName(random).toString(36),
    clockOffset: 0,
  };
  const disk = createDisk(events.notKept);
  const fence = new Set<number>();
  const now = (): number => clock.now() + device.clockOffset;
  const hybrid = createHybridClock(now);
  const streams = createStreams(() => replica.tables);
  const foreign = createForeign(() => replica, stale);
  const verdicts = createVerdicts(
    () => replica,
    disk,
    events,
    () => void (mustRebuild = true),
  );
  const hostOf = (tables: () => ReadonlyMap<string, TableState>): MutatorHost => createHost(options, tables);

  function publish(): void {
    const changed = new Map<string, TableChanges>();
    for (const [name, table] of replica.tables) {
      const changes = table.takeChanges();
      if (changes.touched.size > 0) changed.set(name, changes);
    }
    events.changed(changed);
  }

  /** The writer for a rebuilt replica: the same only while nobody else can have heard of it. */
  function nextWriter(): number {
    return replica.hasSent ? randomName(random) : replica.writer;
  }

  async function build({ confirmed, pending, read, ceiling, isFinal }: Build): Promise<void> {
    const carriers: number[] = [];
    // Another tab may have written to this device's log what is pending here.
    const confirmedIds = new Map(confirmed.entries.map((entry) => [mutationId(entry.key), entry.seq]));
    const accepted: Accepted[] = [];
    function* unsettled(): Generator<OutboxMutation> {
      for (const mutation of pending) {
        carriers.push(mutation.writer);
        const seq = confirmedIds.get(mutation.id);
        if (seq === undefined) yield mutation;
        else accepted.push({ mutation, seq });
      }
    }
    const over = [...replica.foreign.values()].filter(({ id }) => confirmedIds.has(id));
    if (over.length > 0) disk.writeQuietly({ delete: over.map(({ key }) => keys.outbox(key)) });
    const othersNow = (): ForeignMutation[] =>
      [...replica.foreign.values()].filter(({ id }) => !read.has(id) && !confirmedIds.has(id) && !foreign.isIn(confirmed, id));
    let kept: Promise<void> | undefined;
    const known = stales;
    await rebuild({
      schema,
      host: (fresh) => hostOf(() => fresh.tables),
      writer: nextWriter(),
      confirmed,
      pending: unsettled(),
      foreign: othersNow(),
      ceiling,
      confirmedReady(fresh) {
        for (const table of fresh.tables.values()) hybrid.see(table.highestClock);
        if (confirmed.entries.length < FOLD_LOG_AFTER) return;
        disk.writeQuietly(foldBatch(confirmed, fresh.encode()));
      },
      finish({ replica: fresh, failed }) {
        const changed = new Map<string, TableChanges>();
        const isMisled = followForeign(fresh, othersNow());
        // What is made next stands on these too.
        for (const mutation of fresh.foreign.values()) hybrid.see(mutation.clock);
        streams.closeUpTo(fresh.seq);
        streams.showIn(fresh.tables);
        for (const [name, table] of fresh.tables) {
          const old = replica.tables.get(name);
          if (old) changed.set(name, table.replace(old));
        }
        const former = [...(replica.hasSent ? [replica.writer] : []), ...carriers].filter((writer) => writer !== fresh.writer);
        for (const writer of former) fence.add(writer);
        replica = fresh;
        verdicts.settle(accepted);
        kept = keepAll([...fresh.pending.values()], read, isFinal ? failed : NOTHING_FAILED);
        events.changed(changed);
        // What has turned out while mutators were awaited has not been heeded yet.
        mustRebuild = stales !== known;
        if (isMisled) stale();
        verdicts.tell();
        publish();
      },
    });
    // What cannot run again is out of the outbox before anything of it is sent.
    if (isFinal) await kept;
  }

  /** Other tabs may have said something while mutators were awaited. Returns whether something that ran was built on what has changed. */
  function followForeign(fresh: Replica, others: readonly ForeignMutation[]): boolean {
    const now = new Map(others.map((mutation) => [mutation.id, mutation]));
    const gone = [...fresh.foreign.keys()].filter((id) => !now.has(id));
    const changed = others.filter((mutation) => fresh.foreign.get(mutation.id) !== mutation);
    const isMisled = [...gone, ...idsOf(changed)].some(fresh.isBasis);
    for (const id of gone) fresh.hide(id);
    for (const mutation of changed) fresh.show(mutation);
    return isMisled;
  }

  /**
   * What ran again has other bytes and another writer now: both are on disk before anything of it is sent. What another
   * tab has taken over meanwhile is left to it.
   */
  async function keepAll(
    mutations: readonly PendingMutation[],
    read: ReadonlyMap<string, ForeignMutation>,
    failed: ReadonlyMap<string, CotableError>,
  ): Promise<void> {
    for (const mutation of mutations) hybrid.see(mutation.clock);
    const records = mutations.map((mutation) => toForeign(mutation, replicaName));
    const lost = new Set(await disk.keepAgain(records, read, fence, failed));
    verdicts.rejectKept(new Map([...failed].filter(([id]) => !lost.has(id))));
    publish();
    if (lost.size > 0) stale();
    else events.kept(mutations.filter(({ id }) => !failed.has(id)));
  }

  /** What is confirmed cannot be read back: the relay has it. */
  function forget(): void {
    disk.writeQuietly({ deletePrefix: [['doc'], ['log']], delete: [keys.base] });
  }

  function stale(): void {
    stales += 1;
    mustRebuild = true;
    events.stale();
  }

  /** What is on disk: what is confirmed, and which mutations this tab has to send. Others may have taken some over. */
  async function readBack(adopted: ReadonlySet<string>): Promise<Pick<Build, 'confirmed' | 'pending' | 'read'>> {
    const stored = await disk.read();
    if (stored?.damage) events.damaged(stored.damage);
    for (const writer of stored?.fence ?? []) fence.add(writer);
    // What another tab took over from this one, while it was frozen perhaps, and had to give up.
    verdicts.reject(new Map(stored?.rejected.map(({ id, error }) => [id, errorOf(error)])));
    const read = new Map<string, ForeignMutation>();
    for (const mutation of stored?.outbox ?? []) {
      const { id, owner } = mutation;
      const isMine = owner === replicaName || adopted.has(id);
      if (isMine) read.set(id, mutation);
      else if (replica.pending.has(id)) {
        replica.forget(id);
        replica.show(mutation);
      } else foreign.show([mutation]);
    }
    const more = [...read.values()].filter(({ id }) => !replica.pending.has(id));
    const pending = followedBy([...replica.pending.values(), ...more].sort(byOrder), () => replica.pending.values());
    return { confirmed: stored?.confirmed ?? NOTHING_CONFIRMED, pending, read };
  }

  return {
    host: hostOf(() => replica.tables),
    replicaName,
    hybrid,
    disk,
    foreign,
    streams,
    verdicts,
    now,
    localNow: clock.now,
    stale,
    publish,
    get replica() {
      return replica;
    },
    get device() {
      return device;
    },
    fence,
    get mustRebuild() {
      return mustRebuild;
    },

    welcomed(clockOffset, fenced) {
      for (const writer of fenced) fence.delete(writer);
      device = { ...device, clockOffset };
      disk.writeQuietly({ put: [devicePut(device)], delete: fenced.map(keys.fence) });
    },

    async load(opened, isShared) {
      const stored = await disk.load(opened, device);
      const { schemaVersion } = schema;
      for (const writer of stored.fence) fence.add(writer);
      device = { ...stored.device, schemaVersion };
      // A page that is older than what was here before may look, and change nothing.
      if (stored.device.schemaVersion > schemaVersion) disk.letGo();
      else if (stored.device.schemaVersion < schemaVersion) disk.writeQuietly({ put: [devicePut(device)] });
      if (isShared) for (const mutation of stored.outbox) replica.show(mutation);
      const pending = isShared ? [] : stored.outbox;
      const read = new Map(pending.map((mutation) => [mutation.id, mutation]));
      const buildOn = (confirmed: Confirmed): Promise<void> =>
        build({ confirmed, pending, read, ceiling: Number.MAX_SAFE_INTEGER, isFinal: false });
      if (stored.damage) events.damaged(stored.damage);
      if (stored.isForgotten) forget();
      try {
        await buildOn(stored.confirmed);
      } catch (error) {
        const damage = new CotableError('storage.corrupt', { record: 'the documents' }, { cause: error });
        // Where no relay has them too there is nothing to go on with.
        if (!options.hasRelay) throw damage;
        events.damaged(damage);
        forget();
        await buildOn(NOTHING_CONFIRMED);
      }
      return stored;
    },

    async keep(mutation, record = outboxPut(toForeign(mutation, replicaName))) {
      try {
        await disk.keep(mutation.id, { put: [record] });
      } catch (error) {
        events.kept([mutation], error as CotableError);
        throw error;
      }
      events.kept([mutation]);
    },

    show(mutations) {
      foreign.show(mutations);
      for (const mutation of mutations) hybrid.see(mutation.clock);
      publish();
    },

    confirm(records) {
      const fresh = replica.confirm(records);
      if (fresh.length === 0) return;
      const ids = fresh.map((entry) => mutationId(entry.key));
      foreign.confirmed(ids);
      streams.closeUpTo(replica.seq);
      disk.writeQuietly(confirmBatch(replica.birth, fresh));
      // Before observers hear of it: what they write at once must be later than what they saw.
      for (const entry of fresh) hybrid.see(entry.clock);
      publish();
      for (const id of ids) verdicts.confirmed(id);
      if (replica.isMisled) stale();
    },

    async replay(ceiling) {
      hybrid.lower(ceiling);
      await build({ ...(await readBack(NONE)), ceiling, isFinal: true });
    },

    async renew(adopted = NONE) {
      replica.hasSent = true;
      await build({ ...(await readBack(adopted)), ceiling: Number.MAX_SAFE_INTEGER, isFinal: false });
    },

    async install(confirmed, ceiling) {
      disk.writeQuietly(installBatch({ ...replica.birth, seq: replica.seq }, confirmed));
      hybrid.lower(ceiling);
      await build({ confirmed, pending: replica.pending.values(), read: new Map(), ceiling, isFinal: true });
    },
  };
}

const NONE: ReadonlySet<string> = new Set();
const NOTHING_FAILED: ReadonlyMap<string, CotableError> = new Map();

/** These first, and then what has come to be in `grown` since. */
function* followedBy(first: readonly OutboxMutation[], grown: () => Iterable<OutboxMutation>): Generator<OutboxMutation> {
  const ids = new Set(idsOf(first));
  yield* first;
  for (const mutation of grown()) if (!ids.has(mutation.id)) yield mutation;
}

function idsOf(mutations: readonly { readonly id: string }[]): string[] {
  return mutations.map(({ id }) => id);
}
