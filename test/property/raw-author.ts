import type { RelayStorage } from 'cotable/relay';
import type { MemoryHub } from 'cotable/transports/memory';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { applyUpdate, Doc } from 'yjs';
import { hello, mutate, TYPES } from '../wire/raw-link.ts';

export const TABLE = 'records';

/** What an author does to one row; `clock` is what its cells carry. */
export type Deed =
  | { readonly does: 'create'; readonly row: string; readonly value: Readonly<Record<string, number>> }
  | { readonly does: 'delete'; readonly row: string }
  | { readonly does: 'edit'; readonly row: string; readonly field: string; readonly value: number | undefined }
  /** Takes a cell out and writes nothing: only the fold says that it stays. */
  | { readonly does: 'tear'; readonly row: string; readonly field: string | undefined };

/**
 * Writes mutations by plain Yjs and by hand, with the clocks it is told and on what it has seen, be that long ago: a store
 * would write the same, though seldom just then. Shares no code with the product.
 */
export interface RawAuthor {
  /** Sees all that is in the log by now. */
  catchUp(): Promise<void>;
  /** Whether it came to anything. */
  write(deed: Deed, clock: number): boolean;
  /** Why the relay has let it go. */
  readonly failed: string | undefined;
}

export async function rawAuthor(hub: MemoryHub, storage: RelayStorage, writer: number, settle: () => Promise<void>): Promise<RawAuthor> {
  const doc = new Doc();
  doc.clientID = writer;
  const map = doc.getMap<readonly unknown[]>(TABLE);
  let seen = 0;
  let number = 0;
  let birth: readonly [lineage: number, epoch: number] = [0, 0];
  let failed: string | undefined;
  const link = hub.transport('raw').connect({
    opened: () => send(hello({ userId: `raw ${writer}`, replica: writer, writer })),
    message(message) {
      const input = decoding.createDecoder(message);
      while (decoding.hasContent(input)) {
        const frame = decoding.readVarUint8Array(input);
        const body = decoding.createDecoder(frame.slice(2));
        if (frame[1] === TYPES.welcome) birth = [decoding.readVarUint(body), decoding.readVarUint(body)];
        if (frame[1] === TYPES.failed) failed ??= decoding.readVarString(body);
      }
    },
    closed: (reason) => void (failed ??= reason?.code ?? 'closed'),
  });

  function send(frame: Uint8Array): void {
    const out = encoding.createEncoder();
    encoding.writeVarUint8Array(out, frame);
    link.send(encoding.toUint8Array(out));
  }

  const author: RawAuthor = {
    get failed() {
      return failed;
    },
    async catchUp() {
      for (const { seq, bytes } of await storage.entries('room', seen, 100_000)) {
        const input = decoding.createDecoder(bytes);
        decoding.readUint8(input);
        for (let n = 0; n < 6; n++) decoding.readVarUint(input);
        // Its own updates, and then repairs.
        for (let lists = 0; lists < 2; lists++) {
          for (let left = decoding.readVarUint(input); left > 0; left--) {
            const table = decoding.readVarString(input);
            const update = decoding.readVarUint8Array(input).slice();
            if (table === TABLE) applyUpdate(doc, update);
          }
        }
        seen = seq;
      }
    },
    write(deed, clock) {
      const updates: Uint8Array[] = [];
      const listen = (update: Uint8Array): void => void updates.push(update);
      doc.on('update', listen);
      doc.transact(() => perform(deed, clock));
      doc.off('update', listen);
      const [update] = updates;
      if (!update) return false;
      number += 1;
      const [lineage, epoch] = birth;
      send(mutate({ lineage, epoch, writer, number, replica: writer, counter: number, clock, name: 'act', updates: [[TABLE, update]] }));
      return true;
    },
  };

  function perform(deed: Deed, clock: number): void {
    const cellKey = 'field' in deed && deed.field !== undefined ? `${deed.row}\u001f${deed.field}` : deed.row;
    if (deed.does === 'tear') return map.delete(cellKey);
    if (deed.does === 'edit') return void map.set(cellKey, deed.value === undefined ? [clock] : [clock, deed.value]);
    map.set(cellKey, deed.does === 'create' ? [clock, deed.value] : [clock]);
    for (const key of [...map.keys()]) if (key.startsWith(`${deed.row}\u001f`)) map.delete(key);
  }

  await settle();
  await author.catchUp();
  return author;
}
