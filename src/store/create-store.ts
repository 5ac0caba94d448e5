import { memoryClientStorage } from '../../adapters/memory/client-storage.ts';
import type { Access, AnyAccess } from '../access/access.ts';
import { CotableError } from '../errors.ts';
import type { ClientStorage } from '../ports/client-storage.ts';
import type { TabTransport } from '../ports/tabs.ts';
import type { Transport } from '../ports/transport.ts';
import { roomNameProblem } from '../protocol/limits.ts';
import { checkMutators, type MutatorFunctions } from '../mutation/run.ts';
import type { Mutators } from '../schema/mutators.ts';
import type { AnySchema } from '../schema/schema.ts';
import { isWellFormed } from '../util/text.ts';
import { realClock } from '../util/real-clock.ts';
import { createStoreOf } from './store.ts';
import type { Store } from './types.ts';

export interface StoreOptions<S extends AnySchema> {
  readonly schema: S;
  /** The functions of all mutators; the same value that the relay gets. */
  readonly mutators: Mutators<NoInfer<S>>;
  /** Who may change which rows: what the relay would refuse is refused here at once. See `defineAccess`. */
  readonly access?: Access<NoInfer<S>>;
  /** 1 to 256 characters. Two stores of one room on one device share what is on disk when their `userId` is equal. */
  readonly room: string;
  /** Where data outlives the tab: `indexedDb()`. */
  readonly storage: ClientStorage;
  /**
   * How to reach the relay (with several, each try takes the next), and the other tabs of this device: `webSocket(url)`,
   * `broadcastChannel()`. With no way to a relay this device is the authority: it confirms what it keeps, and its tabs bring
   * each other to the same rows. What such a store keeps is kept apart from that of one with a relay.
   */
  readonly transports: readonly (Transport | TabTransport)[];
  /** Called before each handshake; what it gives is shown to the relay. */
  readonly token?: () => string | Promise<string>;
  /** Who writes; taken only by a relay that does not authenticate. Default: an id that this device keeps for the room. */
  readonly userId?: string;
}

/**
 * Opens a room on this device. Returns at once: `store.ready` tells when rows can be read, `store.synced` when it was
 * level with the relay; mutations made before wait for `ready`. Throws `room.invalidName` or `schema.invalid`. The
 * caller closes the store.
 */
export function createStore<S extends AnySchema>(options: StoreOptions<S>): Store<S> {
  const { schema, room, storage, transports, token, userId } = options;
  const problem = roomNameProblem(room);
  if (problem !== undefined) throw new CotableError('room.invalidName', { problem });
  if (userId !== undefined && !isWellFormed(userId)) throw new TypeError('userId holds half of a surrogate pair');
  const mutators: MutatorFunctions = options.mutators;
  checkMutators(schema, mutators);
  const store: unknown = createStoreOf({
    schema,
    mutators,
    // Its rules were checked against the schema right here.
    access: options.access as AnyAccess | undefined,
    room,
    storage,
    fallback: memoryClientStorage(),
    transports: transports.filter((transport) => 'connect' in transport),
    tabs: transports.filter((transport) => 'join' in transport),
    token,
    userId,
    clock: realClock(),
    random: Math.random,
  });
  // Within, tables and inputs are plain JSON; which types they have is known only out here.
  return store as Store<S>;
}
