import { createStore, type ClientStorage, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type BackendConfig, type Limits, type Logger, type Relay } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { mutatorsWith, schema, type Act, type S } from '../spec/support.ts';

export type Hooks = Pick<BackendConfig<S>, 'authenticate' | 'authorize'>;

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A relay with hooks, and stores that show tokens. Ends with the test. */
export interface House {
  readonly hub: MemoryHub;
  readonly relay: Relay<S>;
  readonly log: readonly Line[];
  open(parts: {
    readonly line?: string;
    readonly token?: () => string | Promise<string>;
    readonly userId?: string;
    readonly storage?: ClientStorage;
    readonly act?: Act;
  }): Store<S>;
}

export const device = (): ClientStorage => memoryClientStorage({ durable: true });

export function openHouse(hooks: Hooks, options: { readonly act?: Act; readonly limits?: Partial<Limits> } = {}): House {
  const hub = memoryHub();
  const log: Line[] = [];
  const note =
    (level: Line['level']): Logger['info'] =>
    (fields, message) =>
      void log.push({ level, message, fields });
  const logger = { info: note('info'), warn: note('warn'), error: note('error') };
  const backend: BackendConfig<S> = {
    schema,
    mutators: mutatorsWith(options.act),
    actions: { answer: async (_, { id }) => ({ text: `answered ${id}` }) },
    ...hooks,
  };
  const relay = createRelay({ backend, storage: memoryRelayStorage(), acceptors: [hub.acceptor()], logger, limits: options.limits });
  const stores = new Set<Store<S>>();
  onTestFinished(async () => {
    await Promise.all([...stores].map((store) => store.close()));
    await relay.close();
  });
  return {
    hub,
    relay,
    log,
    open({ line = 'line', token, userId, storage = device(), act }) {
      const transports = [hub.transport(line)];
      const store = createStore({ schema, mutators: mutatorsWith(act), room: 'room', storage, transports, token, userId });
      stores.add(store);
      return store;
    },
  };
}

/** Takes a token for the user of that name: `alice` is shown by alice. */
export const byName: NonNullable<Hooks['authenticate']> = ({ token }) => (token ? { userId: token } : null);
