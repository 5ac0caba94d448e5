import { clockOfRow, splitCellKey } from '../doc/cells.ts';
import { toSyncMessage } from '../doc/table-sync.ts';
import type { CotableError } from '../errors.ts';
import type { StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import type { Core } from './core.ts';
import type { PendingMutation } from './replica.ts';
import { keys, type Stored } from './stored.ts';
import type { TabLine, TabMessage, TabSender } from './tab-line.ts';

/** A device keeps this many records before it puts them together, at a start. */
const FOLD_AFTER = 500;

/**
 * What stands in the place of a relay where none is configured: a mutation is confirmed when this device has it, and tabs
 * bring each other to the same documents by state vectors (y-protocols/sync).
 */
export interface OwnAuthority {
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

  const send = (messages: readonly TableUpdate[], isGreeting = false): void => {
    // What is in a document and not on disk yet may be among it: then whoever hears it keeps it too.
    const isKept = core.disk.isKept && core.replica.pending.size === 0;
    if (messages.length > 0) line.send({ type: 'sync', messages, isGreeting, isKept });
  };
  const questions = (): TableUpdate[] => [...core.replica.tables].map(([table, { doc }]) => ({ table, bytes: doc.ask() }));

  /** Written in the order of the calls, so that what something stands on is on disk before it. */
  function keep(updates: readonly TableUpdate[]): void {
    if (updates.length > 0) core.disk.writeQuietly({ put: [[keys.update(nextKey()), updates]] });
  }

  return {
    start({ updates }) {
      if (updates.length >= FOLD_AFTER) {
        // Tabs may do so at the same time: each deletes only what its own record holds.
        core.disk.writeQuietly({ put: [[keys.update(nextKey()), core.replica.encode()]], delete: updates });
      }
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
        const { answer, update, touched, repairs: changes } = state.doc.hear(bytes);
        if (answer) answers.push({ table, bytes: answer });
        if (update && touched.size > 0) updates.push({ table, bytes: update });
        const repair = changes.size > 0 ? state.doc.write(changes) : undefined;
        if (repair) repairs.push({ table, bytes: repair });
        const rows = new Set([...touched].map((key) => splitCellKey(key).row));
        state.take(rows);
        for (const row of rows) core.hybrid.see(clockOfRow(state.cells(row)));
      }
      // What is heard from another device, or is not on disk, is kept here too.
      if (device !== core.device.deviceId || !message.isKept) keep(updates);
      keep(repairs);
      core.publish();
      send([...answers, ...repairs.map(toMessage)]);
    },

    record(mutation) {
      return [keys.update(mutation.key), isTorn ? core.replica.encode() : mutation.updates];
    },

    kept(mutations, failure) {
      isTorn = failure !== undefined;
      for (const { id } of mutations) core.replica.settleHere(id);
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
