import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStore, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, type RelayStorage } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { mutators, schema } from '../fixtures/notes.mjs';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cotable-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A real SQLite whose `accept` for the room `held` is held back: before it begins, or after the data went to the file but before it says so. */
function heldStorage(where: 'before' | 'after'): { readonly storage: RelayStorage; readonly asked: () => number; release(): void } {
  const real = sqlite(join(folder, 'relay.db'));
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  let asked = 0;
  return {
    asked: () => asked,
    release: () => release(),
    storage: {
      ...real,
      async accept(...args) {
        if (args[0] !== 'held') return real.accept(...args);
        asked += 1;
        if (where === 'before') await gate;
        await real.accept(...args);
        if (where === 'after') await gate;
      },
    },
  };
}

describe('a disk that holds back', () => {
  for (const where of ['before', 'after'] as const) {
    it(`[HD1] while the disk has not said that a mutation is kept (held ${where} the write) there is neither acknowledgement nor broadcast, and newcomers do not see it`, async () => {
      const { storage, asked, release } = heldStorage(where);
      const relay = createRelay({ backend: { schema, mutators }, storage });
      onTestFinished(() => relay.close());
      const { url } = await relay.listen();
      const open = (userId: string, room = 'held'): Store<typeof schema> => {
        const parts = { schema, mutators, room, userId, storage: memoryClientStorage({ durable: true }) };
        const store = createStore({ ...parts, transports: [webSocket(url, { WebSocket })] });
        onTestFinished(() => store.close());
        return store;
      };
      const [author, reader] = [open('ann'), open('ben')];
      await Promise.all([author.synced, reader.synced]);
      const told: string[] = [];
      reader.table('notes').changes$.subscribe((changes) => told.push(...changes.map((change) => change.key)));

      const receipt = await author.mutate.write({ id: 'one', text: 'kept?' });
      receipt.confirmed.then(
        () => told.push('acknowledged'),
        () => undefined,
      );
      await vi.waitFor(() => expect(asked()).toBe(1), { interval: 1 });
      const newcomer = open('cyd');
      // Meanwhile another room of the same relay goes all the way, again and again: there was time enough.
      const [elsewhere, witness] = [open('ann', 'other'), open('ben', 'other')];
      await witness.synced;
      for (let n = 0; n < 20; n++) {
        await (
          await elsewhere.mutate.write({ id: `n${n}`, text: 'kept' })
        ).confirmed;
        await vi.waitFor(() => expect(witness.table('notes').has(`n${n}`)).toBe(true), { interval: 1 });
      }
      expect(told).toEqual([]);
      expect(author.status.pending).toBe(1);
      expect(newcomer.table('notes').has('one')).toBe(false);

      release();
      await receipt.confirmed;
      await vi.waitFor(() => expect(told.toSorted()).toEqual(['acknowledged', 'one']), { interval: 1 });
      await newcomer.synced;
      expect(newcomer.table('notes').has('one')).toBe(true);
    });
  }
});
