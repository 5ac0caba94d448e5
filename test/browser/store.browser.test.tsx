import { createStore, type Store, type Transport } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { StoreProvider, useQuery, useStatus, useStore } from 'cotable/react';
import { act, Profiler, StrictMode, type ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { mutators, schema } from './notes.ts';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

/** Leads to a relay, and there is no way now. */
const unreachable: Transport = {
  connect(events) {
    queueMicrotask(() => events.closed());
    return { buffered: 0, send: () => undefined, close: () => undefined };
  },
  available(listener) {
    listener(false);
    return () => undefined;
  },
};

let prefix: string;
beforeEach(() => {
  prefix = `test-${crypto.randomUUID()}`;
});

function open(): Store<typeof schema> {
  const store = createStore({ schema, mutators, room: 'room', userId: 'ann', storage: indexedDb({ prefix }), transports: [unreachable] });
  onTestFinished(() => store.close());
  return store;
}

describe('a store on IndexedDB', () => {
  it('[BR1] finds what it wrote after it was closed and opened again, still to be sent', async () => {
    const first = open();
    await first.ready;
    const receipt = await first.mutate.write({ id: 'a', text: 'kept' });
    await receipt.stored;
    await first.close();
    const again = open();
    expect(again.table('notes').list()).toEqual([]);
    await again.ready;
    expect(again.table('notes').list()).toEqual([{ id: 'a', text: 'kept' }]);
    expect(again.status).toMatchObject({ pending: 1, durable: 'unknown' });
  });
});

describe('the hooks', () => {
  it('[BR2] show rows and status of the store above, and render again when they change, in strict mode too', async () => {
    const store = open();
    await store.ready;
    let renders = 0;
    function Notes(): ReactElement {
      const held = useStore<typeof schema>();
      const rows = useQuery(held.table('notes'));
      const { pending, state } = useStatus();
      return (
        <p>
          {state} {pending}: {rows.map((row) => row.text).join(', ')}
        </p>
      );
    }
    const host = document.body.appendChild(document.createElement('div'));
    const root = createRoot(host);
    onTestFinished(async () => {
      await act(async () => root.unmount());
      host.remove();
    });
    await act(async () =>
      root.render(
        <StrictMode>
          <StoreProvider store={store}>
            <Profiler id="notes" onRender={() => (renders += 1)}>
              <Notes />
            </Profiler>
          </StoreProvider>
        </StrictMode>,
      ),
    );
    expect(host.textContent).toBe('offline 0: ');
    await act(async () => void (await store.mutate.write({ id: 'a', text: 'one' })));
    await act(async () => void (await store.mutate.write({ id: 'b', text: 'two' })));
    expect(host.textContent).toBe('offline 2: one, two');
    const before = renders;
    await act(async () => void (await store.mutate.write({ id: 'b', text: 'three' })));
    expect(host.textContent).toBe('offline 3: one, three');
    // A mutation changes rows and status: both are there in the first render after it.
    expect(renders - before).toBeLessThanOrEqual(2);
  });

  it('[BR3] useStore says what is missing where no provider is', async () => {
    function Lost(): ReactElement {
      useStore<typeof schema>();
      return <p />;
    }
    const root = createRoot(document.createElement('div'));
    await expect(act(async () => root.render(<Lost />))).rejects.toThrow('<StoreProvider store={...}>');
  });
});
