import { splitCellKey } from '../doc/cells.ts';
import { toSyncMessage } from '../doc/table-sync.ts';
import type { CotableError } from '../errors.ts';
import type { StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import type { Core } from './core.ts';
import type { PendingMutation } from './replica.ts';
import { keys, updatePut, type Stored } from './stored.ts';
import type { TabLine, TabMessage, TabSender } from './tab-line.ts';

/** A device keeps this many records before it puts them together, at a start, or a tab those that it wrote itself. */
const FOLD_AFTER = 500;
/** Larger documents cost more to write: for so many of their items there may be one record. */
const ITEMS_PER_RECORD = 10;

/**
 * What stands in the place of a relay where none is configured: a mutation is confirmed when this device has it, and tabs
 * bring each other to the same documents by state vectors (y-protocols/sync).
 */
export interface OwnAuthority {
  /** Puts right what other tabs wrote at the same time and closed before they heard of each other. */
  mend(stored: Stored): void;
  /** Asks the other tabs for what is not here. */
  start(stored: Stored): void;
  heard(message: TabMessage, sender: TabSender): void;
  /** What is put on disk of a mutation. */
  record(mutation: PendingMutation): [StorageKey, StorageValue];
  /** These are on disk, or never will be because of `failure`: they stand either way. */
  kept(mutations: readonly PendingMutation[], failure: CotableError | undefined): void;
}

export function createOwnAuthority(core: Core, line: TabLine, nextKey: () => MutationKey): OwnAuthority {
  /** Records on disk may stand on one that is not there: the next one holds everything. */
  let isTorn = false;
  /** Mutations whose records hold everything. */
  const whole = new Set<string>();
  /** What this tab has put on disk: all that is in its documents. */
  let written: StorageKey[] = [];
  /** How many records besides those of mutations are on their way to the disk. */
  let writing = 0;

  const send = (messages: readonly TableUpdate[], isGreeting = false): void => {
    // What is in a document and not on disk yet may be among it: then whoever hears it keeps it too.
    const isKept = core.disk.isKept && core.replica.pending.size === 0 && writing === 0;
    if (messages.length > 0) line.send({ type: 'sync', messages, isGreeting, isKept });
  };
  const questions = (): TableUpdate[] => [...core.replica.tables].map(([table, { doc }]) => ({ table, bytes: doc.ask() }));

  /** Written in the order of the calls, so that what something stands on is on disk before it. */
  function keep(updates: readonly TableUpdate[]): void {
    if (updates.length > 0) put(isTorn ? core.replica.encode() : updates, isTorn);
  }

  function put(updates: readonly TableUpdate[], isWhole: boolean, superseded: readonly StorageKey[] = []): void {
    const record = updatePut(nextKey(), updates);
    const done = (hasFailed: boolean): void => {
      writing -= 1;
      if (!hasFailed) written.push(record[0]);
      judge(isWhole, hasFailed);
    };
    writing += 1;
    core.disk.write({ put: [record], delete: superseded }).then(
      () => done(false),
      () => done(true),
    );
  }

  /** Puts together what this tab has written, since it may be open for days. */
  function fold(): void {
    if (written.length < FOLD_AFTER) return;
    let items = 0;
    for (const { doc } of core.replica.tables.values()) items += doc.weight().items;
    if (written.length < items / ITEMS_PER_RECORD) return;
    const superseded = written;
    written = [];
    put(core.replica.encode(), true, superseded);
  }

  /** What was on its way behind a record that failed may be on disk without it: everything goes there at once. */
  function judge(isWhole: boolean, hasFailed: boolean): void {
    if (!hasFailed) isTorn &&= !isWhole;
    else if (!isTorn) {
      isTorn = true;
      put(core.replica.encode(), true);
    }
  }

  return {
    mend({ confirmed }) {
      const repairs: TableUpdate[] = [];
      for (const [table, state] of core.replica.tables) {
        const updates = confirmed.tables.filter((update) => update.table === table).map(({ bytes }) => bytes);
        const { repairs: changes, clock } = state.doc.mend(updates);
        core.hybrid.see(clock);
        const repair = changes.size > 0 ? state.doc.write(changes) : undefined;
        if (repair) repairs.push({ table, bytes: repair });
        state.take(new Set([...changes.keys()].map((key) => splitCellKey(key).row)));
      }
      keep(repairs);
      core.publish();
    },

    start({ updates }) {
      // Tabs may do so at the same time: each deletes only what its own record holds.
      if (updates.length >= FOLD_AFTER) put(core.replica.encode(), true, updates);
      send(questions(), true);
    },

    heard(message, { device }) {
      if (message.type !== 'sync') return;
      const answers: TableUpdate[] = message.isGreeting ? questions() : [];
      const updates: TableUpdate[] = [];
      const repairs: TableUpdate[] = [];
      for (const { table, bytes } of message.messages) {
        const state = core.replica.tables.get(table);
        if (!state) continue;
        const { answer, update, touched, isEarly, clock, repairs: changes } = state.doc.hear(bytes);
        if (answer) answers.push({ table, bytes: answer });
        if (update && (isEarly || touched.size > 0)) updates.push({ table, bytes: update });
        const repair = changes.size > 0 ? state.doc.write(changes) : undefined;
        if (repair) repairs.push({ table, bytes: repair });
        state.take(new Set([...touched].map((key) => splitCellKey(key).row)));
        core.hybrid.see(clock);
      }
      // What is heard from another device, or is not on disk, is kept here too.
      if (device !== core.device.deviceId || !message.isKept) keep(updates);
      keep(repairs);
      core.publish();
      send([...answers, ...repairs.map(toMessage)]);
    },

    record(mutation) {
      if (isTorn) whole.add(mutation.id);
      return updatePut(mutation.key, isTorn ? core.replica.encode() : mutation.updates);
    },

    kept(mutations, failure) {
      for (const { id } of mutations) core.replica.settleHere(id);
      if (!failure) written.push(...mutations.map(({ key }) => keys.update(key)));
      for (const { id } of mutations) judge(whole.delete(id), failure !== undefined);
      fold();
      core.publish();
      for (const { id, updates } of mutations) {
        send(updates.map(toMessage));
        if (failure) core.verdicts.lost(id, failure);
        else core.verdicts.confirmed(id);
      }
    },
  };
}

function toMessage({ table, bytes }: TableUpdate): TableUpdate {
  return { table, bytes: toSyncMessage(bytes) };
}
