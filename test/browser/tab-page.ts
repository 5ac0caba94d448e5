// The script of a page that has a store open, as a tab has: `tab-frame.ts` opens such pages.
import { createStore, defineMutators, defineSchema, table, type MutationReceipt, type Store } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { webSocket } from 'cotable/transports/websocket';
import { z } from 'zod';

const note = z.object({ id: z.string(), text: z.string(), mark: z.string().optional() });
const schema = defineSchema({
  schemaVersion: 1,
  tables: { notes: { schema: table(note) } },
  mutators: {
    write: { input: note },
    edit: { input: z.object({ id: z.string(), text: z.string() }) },
    mark: { input: z.object({ id: z.string(), mark: z.string() }) },
  },
});
const mutators = defineMutators<typeof schema>({
  write: (ctx, input) => ctx.table('notes').set(input.id, input),
  edit: (ctx, { id, text }) => ctx.table('notes').update(id, { text }),
  mark: (ctx, { id, mark }) => ctx.table('notes').update(id, { mark }),
});

export type TabStore = Store<typeof schema>;

/** What a page is opened with: the data attributes of its frame. */
export type TabOptions = {
  /** Of its databases and channels. */
  readonly prefix: string;
  readonly userId: string;
  readonly room?: string;
  /** Where its relay is. Left out: it has none. */
  readonly relay?: string;
};

/** What a test has of the page. Strings only are handed in: an object of another page is not plain JSON here. */
export interface TabPage {
  readonly store: TabStore;
  write(id: string, text: string): Promise<MutationReceipt>;
  edit(id: string, text: string): Promise<MutationReceipt>;
  mark(id: string, mark: string): Promise<MutationReceipt>;
}

declare global {
  interface Window {
    tab?: TabPage;
  }
}

const { prefix, userId, room = 'room', relay } = (window.frameElement as HTMLElement).dataset;
const store = createStore({
  schema,
  mutators,
  room,
  userId,
  storage: indexedDb({ prefix }),
  transports: [...(relay === undefined ? [] : [webSocket(relay)]), broadcastChannel({ prefix })],
});
window.tab = {
  store,
  write: (id, text) => store.mutate.write({ id, text }),
  edit: (id, text) => store.mutate.edit({ id, text }),
  mark: (id, mark) => store.mutate.mark({ id, mark }),
};
