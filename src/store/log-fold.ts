import { createTableDoc } from '../doc/table-doc.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import type { CoreState } from './core-state.ts';
import { updatesOf, type Confirmed, type Replica } from './replica.ts';
import { foldBatch, keys, readBase, type RoomPlace } from './stored.ts';

/** A device keeps this many entries before it folds them into its documents. */
const FOLD_AFTER = 500;
/** Larger documents cost more to fold: for so many of their items there may be one entry. */
const ITEMS_PER_ENTRY = 10;
/** A tab that always has something pending folds at so many times as many entries, from what is on disk. */
const NEVER_QUIET = 4;
/** Entries that are applied in one go, on the way from disk to disk. */
const SLICE = 500;

/**
 * Keeps the device's log from growing without end, in a tab that is open for days too: when it is long, the documents on
 * disk become those of a later entry, and what they hold leaves the log, in one transaction.
 *
 * Documents on disk hold confirmed state alone. Those of a tab that has nothing pending are just that; otherwise they are
 * made anew from what is on disk. Several tabs may do so at once: the documents on disk only ever become later ones.
 */
export interface LogFold {
  /** Takes documents that were just made of what is confirmed, if the log behind them is long. */
  rebuilt(confirmed: Confirmed, fresh: Pick<Replica, 'encode'>): void;
  /** Entries were confirmed, and are on their way to the disk. */
  grown(): void;
}

export function createLogFold(state: CoreState): LogFold {
  const { disk, options, replicaName } = state;
  const { schema, clock, foldLogAfter = FOLD_AFTER } = options;
  // Each tab has a limit of its own, so that of several one is first and the others find it done.
  const patience = 1 + (replicaName % 64) / 128;
  /** Before this entry there is nothing to look for. */
  let restsUntil = 0;
  let isDue = false;
  let isBusy = false;

  function limit(): number {
    let items = 0;
    for (const { doc } of state.replica.tables.values()) items += doc.weight().items;
    return Math.ceil(Math.max(foldLogAfter, items / ITEMS_PER_ENTRY) * patience);
  }

  /** `tables` are the documents as of `place`, with nothing pending in them. */
  async function fold(place: RoomPlace, tables: readonly TableUpdate[]): Promise<void> {
    await disk.change([keys.base], ([base]) => {
      const standing = readBase(base);
      return standing && isBehind(standing, place) ? foldBatch(standing, place, tables) : {};
    });
  }

  async function look(): Promise<void> {
    let standing: RoomPlace | undefined;
    const isRead = await disk.change([keys.base], ([base]) => {
      standing = readBase(base);
      return {};
    });
    const { seq } = state.replica;
    const first = isRead && standing && isBehind(standing, placeOf(state.replica)) ? standing.seq : seq;
    const most = limit();
    isDue = seq - first >= most;
    // What is due is done in a quiet moment; whether it is still to be done is looked at again later.
    restsUntil = isDue ? seq + most / 2 : first + most;
    if (isDue && !foldHere() && seq - first >= NEVER_QUIET * most) await foldThere();
  }

  /** By the documents of this tab, if nothing in them is pending. */
  function foldHere(): boolean {
    const present = state.replica;
    if (present.pending.size > 0 || present.isDoubled || state.mustRebuild) return false;
    isDue = false;
    restsUntil = present.seq + limit();
    void fold(placeOf(present), present.encode());
    return true;
  }

  /** By documents that are made of what is on disk, a part at a time: the tab is in use. */
  async function foldThere(): Promise<void> {
    const stored = await disk.read();
    if (!stored) return;
    const { confirmed } = stored;
    const tables: TableUpdate[] = [];
    for (const table of Object.keys(schema.tables)) {
      // Nothing is ever written in it.
      const doc = createTableDoc(table, 0);
      doc.apply(confirmed.tables.filter((update) => update.table === table).map(({ bytes }) => bytes));
      for (let at = 0; at < confirmed.entries.length; at += SLICE) {
        await pause();
        doc.apply(confirmed.entries.slice(at, at + SLICE).flatMap((entry) => updatesOf(entry, table)));
      }
      await pause();
      tables.push({ table, bytes: doc.encode() });
    }
    await fold(confirmed, tables);
    isDue = false;
    restsUntil = confirmed.seq + limit();
  }

  function grown(): void {
    if (isBusy || (isDue && foldHere()) || state.replica.seq < restsUntil) return;
    isBusy = true;
    const done = (): void => {
      isBusy = false;
      // It may have grown meanwhile.
      grown();
    };
    // When it fails the log is as long as it was, and nothing is lost.
    look().then(done, done);
  }

  const pause = (): Promise<void> => new Promise((resolve) => void clock.after(0, resolve));

  return {
    rebuilt(confirmed, fresh) {
      const { seq, entries } = confirmed;
      isDue = false;
      restsUntil = seq - entries.length + foldLogAfter * patience;
      if (entries.length < foldLogAfter) return;
      restsUntil = seq + foldLogAfter * patience;
      void fold(confirmed, fresh.encode());
    },
    grown,
  };
}

function placeOf({ birth, seq }: Replica): RoomPlace {
  return { ...birth, seq };
}

function isBehind(standing: RoomPlace, place: RoomPlace): boolean {
  return standing.lineage === place.lineage && standing.epoch === place.epoch && standing.seq < place.seq;
}
