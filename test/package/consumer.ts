// What a user's first program does: two stores and a relay, one mutation. Prints the row the second store sees.
import { createStore, type MutationReceipt, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { mutators } from './mutators.ts';
import { schema } from './schema.ts';

const hub = memoryHub();
export const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage(), acceptors: [hub.acceptor()] });
const open = (userId: string): Store<typeof schema> =>
  createStore({ schema, mutators, room: 'lobby', userId, storage: memoryClientStorage(), transports: [hub.transport()] });

export const alice = open('alice');
export const bob = open('bob');
const arrived = new Promise((resolve) => {
  bob.table('messages').rows$.subscribe((rows) => rows[0] && resolve(rows[0]));
});
const receipt: MutationReceipt = await alice.mutate.say({ id: 'm1' });
await receipt.confirmed;
process.stdout.write(JSON.stringify(await arrived));

// The process ends by itself when nothing is left open.
await alice.close();
await bob.close();
await relay.close();
