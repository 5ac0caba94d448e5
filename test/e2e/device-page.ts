// The script of a page with a store in it, for tests that do to its browser what users and browsers do: see device-scene.ts.
import { createStore, type MutationReceipt, type StoreStatus } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { webSocket } from 'cotable/transports/websocket';
import { mutators, schema } from '../fixtures/notes.mjs';

/** A status in what can be handed to a test. */
export type ShownStatus = Pick<StoreStatus, 'state' | 'pending' | 'durable'> & { readonly reason: string | undefined };

/** What a test asks of the page. */
export interface DevicePage {
  readonly status: ShownStatus;
  /** All there ever were. */
  readonly statuses: readonly ShownStatus[];
  readonly ids: readonly string[];
  /** Of its databases, how many are open. */
  readonly transactions: number;
  /** How long `ready` took, in milliseconds; and what it rejected with. */
  readonly ready: Promise<{ readonly ms: number; readonly error: string | undefined }>;
  /** Makes a mutation of so many characters; what became of `stored`: that word, or the code it rejected with. */
  write(id: string, length?: number): Promise<{ readonly id: string; readonly stored: string }>;
  /** Resolves when the relay keeps what was made last. */
  confirmed(): Promise<void>;
  /** Writes one after the other from now on. */
  keepWriting(name: string): void;
}

declare global {
  interface Window {
    device: DevicePage;
    /** Tells the test that a mutation is stored; it remembers that, whatever becomes of this page. */
    report(id: string): Promise<void>;
  }
}

let transactions = 0;
const begin = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (...args) {
  const transaction = begin.apply(this, args);
  transactions += 1;
  for (const end of ['complete', 'abort']) transaction.addEventListener(end, () => (transactions -= 1));
  return transaction;
};

const params = new URLSearchParams(location.search);
const [userId, relay] = [params.get('user') ?? '', params.get('relay') ?? ''];
const begun = performance.now();
const store = createStore({
  schema,
  mutators,
  room: userId,
  userId,
  storage: indexedDb({ openTimeoutMs: 700 }),
  transports: [webSocket(relay), broadcastChannel()],
});

const statuses: ShownStatus[] = [];
store.status$.subscribe(({ state, pending, durable, reason }) =>
  statuses.push({ state, pending, durable, reason: reason && wordsOf(reason) }),
);
let last: MutationReceipt | undefined;

async function write(id: string, length = id.length): Promise<{ readonly id: string; readonly stored: string }> {
  const receipt = (last = await store.mutate.write({ id, text: textOf(length) }));
  try {
    await receipt.stored;
    await window.report(receipt.id);
    return { id: receipt.id, stored: 'stored' };
  } catch (error) {
    return { id: receipt.id, stored: wordsOf(error) };
  }
}

/** Nothing that a disk could make smaller. */
function textOf(length: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => String.fromCharCode(32 + (byte % 95))).join('');
}

function wordsOf(error: unknown): string {
  const { code = String(error), params: { record } = {} } = error as { code?: string; params?: { record?: string } };
  return record === undefined ? code : `${code}: ${record}`;
}

const ready = store.ready.then(
  () => ({ ms: performance.now() - begun, error: undefined }),
  (error: unknown) => ({ ms: performance.now() - begun, error: wordsOf(error) }),
);

window.device = {
  ready,
  write,
  statuses,
  get status() {
    return statuses.at(-1) as ShownStatus;
  },
  get ids() {
    return store
      .table('notes')
      .entries()
      .map(([id]) => id);
  },
  get transactions() {
    return transactions;
  },
  confirmed: async () => last?.confirmed,
  keepWriting(name) {
    let n = 0;
    setInterval(() => void write(`${name} ${n++}`), 2);
  },
};
