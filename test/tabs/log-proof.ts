import type { RelayStorage } from 'cotable/relay';
import * as decoding from 'lib0/decoding';
import { expect } from 'vitest';
import * as Y from 'yjs';
import { foldLog } from '../property/oracle.mjs';

/**
 * No document of a tab ever held bytes of what another had pending: each update in the log has items of its own writer
 * only, and stands on what was in the log before it. Returns the rows and the ids of the mutations, each of which is there once.
 */
export async function provenLog(storage: RelayStorage, room = 'room'): Promise<ReturnType<typeof foldLog>> {
  const entries = await storage.entries(room, 0, 100_000);
  const known = new Set<string>();
  for (const { bytes } of entries) {
    const input = decoding.createDecoder(bytes);
    decoding.readUint8(input);
    const [seq, , , writer] = Array.from({ length: 6 }, () => decoding.readVarUint(input));
    // The mutation's own updates, and then what the relay repaired.
    for (const isOwn of [true, false]) {
      for (let count = decoding.readVarUint(input); count > 0; count--) {
        const table = decoding.readVarString(input);
        const { structs, ds } = Y.decodeUpdate(decoding.readVarUint8Array(input));
        const at = (id: Y.ID): string => `${table}/${id.client}/${id.clock}`;
        for (const struct of structs) {
          if (isOwn) expect(struct.id.client, `writer of entry ${seq}`).toBe(writer);
          if (struct instanceof Y.Item && struct.origin) expect(known, `origin in entry ${seq}`).toContain(at(struct.origin));
          for (let n = 0; n < struct.length; n++) known.add(at(Y.createID(struct.id.client, struct.id.clock + n)));
        }
        for (const [client, ranges] of ds.clients) {
          for (const { clock, len } of ranges)
            for (let n = 0; n < len; n++) expect(known, `deleted in entry ${seq}`).toContain(at(Y.createID(client, clock + n)));
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
