import { errorOf, type CotableError } from '../errors.ts';
import { byOrder, mutationId } from '../mutation/mutation-id.ts';
import { pickWriter } from '../ports/writer-ids.ts';
import type { CoreState } from './core-state.ts';
import type { LogFold } from './log-fold.ts';
import { ownedBy } from './owner.ts';
import { rebuild } from './rebuild.ts';
import {
  NOTHING_CONFIRMED,
  type Confirmed,
  type ForeignMutation,
  type OutboxMutation,
  type PendingMutation,
  type Replica,
  type WriterStart,
} from './replica.ts';
import { keys, toForeign } from './stored.ts';
import type { TableChanges } from './table-state.ts';
import type { Accepted } from './verdicts.ts';

/** What a replica is made of. */
export interface Build {
  readonly confirmed: Confirmed;
  readonly pending: Iterable<OutboxMutation>;
  /** What was read of some of them from disk. Until this is done they may be shown as another tab's. */
  readonly read: ReadonlyMap<string, ForeignMutation>;
  /** Pending here, and seen to by another tab: what became of them only the relay can tell this one. They may be among what is confirmed. */
  readonly gone?: ReadonlySet<string>;
  readonly ceiling: number;
  /** Whom it runs again as; left out: somebody new. */
  readonly writer: WriterStart | undefined;
  /** Whether what cannot run again is rejected. */
  readonly isFinal: boolean;
}

/** The road back, as one open store goes it: a fresh replica in the place of the one there is, and what follows from that. */
export interface RoadBack {
  build(of: Build): Promise<void>;
  /** What is on disk: what is confirmed, and which mutations this tab has to send. Others may have taken some over. */
  readBack(adopted: ReadonlySet<string>): Promise<Pick<Build, 'confirmed' | 'pending' | 'read' | 'gone'>>;
}

export function createRoadBack(state: CoreState, logFold: LogFold): RoadBack {
  const { options, events, disk, fence, hybrid, streams, foreign, verdicts, replicaName, publish, stale } = state;

  async function build({ confirmed, pending, read, gone = NONE, ceiling, writer, isFinal }: Build): Promise<void> {
    const carriers: number[] = [];
    // Another tab may have written to this device's log what is pending here.
    const confirmedIds = new Map(confirmed.entries.map((entry) => [mutationId(entry.key), entry.seq]));
    foreign.confirmed([...confirmedIds.keys()]);
    const accepted: Accepted[] = [];
    function* unsettled(): Generator<OutboxMutation> {
      for (const mutation of pending) {
        carriers.push(mutation.writer);
        const seq = confirmedIds.get(mutation.id);
        if (seq === undefined) yield ownedBy(state.device, mutation);
        else accepted.push({ mutation, seq });
      }
    }
    const over = [...state.replica.foreign.values()].filter(({ id }) => confirmedIds.has(id));
    if (over.length > 0) disk.writeQuietly({ delete: over.map(({ key }) => keys.outbox(key)) });
    const othersNow = (): ForeignMutation[] =>
      [...state.replica.foreign.values()].filter(({ id }) => !read.has(id) && !confirmedIds.has(id) && !foreign.isIn(confirmed, id));
    let kept: Promise<void> | undefined;
    const known = state.stales;
    await rebuild({
      schema: options.schema,
      host: (fresh) => state.hostOf(() => fresh.tables),
      // One of another name has to greet the relay again, which tells what became of those that are gone.
      writer: (gone.size === 0 && writer) || { writer: pickWriter(options.random), last: 0 },
      confirmed,
      pending: unsettled(),
      foreign: othersNow(),
      gone,
      ceiling,
      confirmedReady(fresh) {
        for (const table of fresh.tables.values()) hybrid.see(table.highestClock);
        logFold.rebuilt(confirmed, fresh);
      },
      finish({ replica: fresh, failed }) {
        const changed = new Map<string, TableChanges>();
        const isMisled = followForeign(fresh, othersNow());
        // What is made next stands on these too.
        for (const mutation of fresh.foreign.values()) hybrid.see(mutation.clock);
        streams.closeUpTo(fresh.seq);
        streams.showIn(fresh.tables);
        for (const [name, table] of fresh.tables) {
          const old = state.replica.tables.get(name);
          if (old) changed.set(name, table.replace(old));
        }
        fenceFormer(carriers, fresh);
        state.replica = fresh;
        verdicts.settle(accepted);
        kept = keepAll([...fresh.pending.values()], read, isFinal ? failed : NOTHING_FAILED);
        events.changed(changed);
        // What has turned out while mutators were awaited has not been heeded yet.
        state.mustRebuild = state.stales !== known;
        if (isMisled) stale();
        verdicts.tell();
        publish();
      },
    });
    // What cannot run again is out of the outbox before anything of it is sent.
    if (isFinal) await kept;
  }

  /** Who may still carry what has run again: all it was ever made by, but for this tab's own writer while it has sent nothing of it. */
  function fenceFormer(carriers: Iterable<number>, fresh: Replica): void {
    const { writer, writerStart } = state.replica;
    const former = new Set(carriers);
    if (writerStart) former.delete(writer);
    else former.add(writer);
    former.delete(fresh.writer);
    for (const carrier of former) if (!state.fenced.has(carrier)) fence.add(carrier);
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

  /** What is on disk: what is confirmed, and which mutations this tab has to send. Others may have taken some over. */
  async function readBack(adopted: ReadonlySet<string>): Promise<Pick<Build, 'confirmed' | 'pending' | 'read' | 'gone'>> {
    const before = [...state.replica.pending.keys()];
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
      else if (state.replica.pending.has(id)) {
        state.replica.forget(id);
        state.replica.show(mutation);
      } else foreign.show([mutation]);
    }
    const more = [...read.values()].filter(({ id }) => !state.replica.pending.has(id));
    const pending = followedBy([...state.replica.pending.values(), ...more].sort(byOrder), () => state.replica.pending.values());
    const known = new Set(idsOf(stored?.outbox ?? []));
    for (const { key } of stored?.confirmed.entries ?? []) known.add(mutationId(key));
    const gone = stored?.device && disk.isKept ? new Set(before.filter((id) => !known.has(id))) : NONE;
    return { confirmed: stored?.confirmed ?? NOTHING_CONFIRMED, pending, read, gone };
  }

  return { build, readBack };
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
