import type { RelayStorage } from 'cotable/relay';
import { expect } from 'vitest';
import * as Y from 'yjs';
import { decodeRecord } from '../../src/protocol/records.ts';
import { foldLog } from '../property/oracle.ts';

/**
 * No document of a tab ever held bytes of what another had pending: each update in the log has items of its own writer
 * only, and stands on what was in the log before it. Returns the rows and the ids of the mutations, each of which is there once.
 */
export async function provenLog(storage: RelayStorage, room = 'room'): Promise<ReturnType<typeof foldLog>> {
  const entries = await storage.entries(room, 0, 100_000);
  const known = new Set<string>();
  for (const { bytes } of entries) {
    const record = decodeRecord(bytes);
    if (record.kind !== 'entry') throw new Error('the log holds an acknowledgement');
    for (const [updates, isOwn] of [
      [record.updates, true],
      [record.repairs, false],
    ] as const) {
      for (const { table, bytes: update } of updates) {
        const { structs, ds } = Y.decodeUpdate(update);
        const at = (id: Y.ID): string => `${table}/${id.client}/${id.clock}`;
        for (const struct of structs) {
          if (isOwn) expect(struct.id.client, `writer of entry ${record.seq}`).toBe(record.writer);
          if (struct instanceof Y.Item && struct.origin) expect(known, `origin in entry ${record.seq}`).toContain(at(struct.origin));
          for (let n = 0; n < struct.length; n++) known.add(at(Y.createID(struct.id.client, struct.id.clock + n)));
        }
        for (const [client, ranges] of ds.clients) {
          for (const { clock, len } of ranges)
            for (let n = 0; n < len; n++) expect(known, `deleted in entry ${record.seq}`).toContain(at(Y.createID(client, clock + n)));
        }
      }
    }
  }
  const folded = foldLog(entries);
  expect(new Set(folded.mutations).size).toBe(folded.mutations.length);
  return folded;
}

/** A mutation's id as the log names it. */
export function inLog(id: string): string {
  const [replica = '', counter = ''] = id.split('-');
  return `${Number.parseInt(replica, 36)}.${counter}`;
}
