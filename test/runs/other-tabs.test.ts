import { createStore, type ClientStorage, type StorageKey, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { expect, it, onTestFinished } from 'vitest';
import { createTabNet } from '../tabs/tab-net.ts';
import { gate, mutators, scene, schema, type S } from './scene.ts';

interface Device {
  readonly all: ReturnType<typeof scene>;
  readonly tabs: ReturnType<typeof createTabNet>;
  /** What ran, by its input. */
  readonly ran: string[];
  /** A tab, with a line to the relay of its own. */
  open(name: string, schemaVersion?: number): Store<S>;
  /** Before the disk of a tab reads a range or makes a change: what is thrown is what that rejects with. */
  fail(name: string, call: (key: StorageKey | undefined) => Promise<void>): void;
}

function device(): Device {
  const ran: string[] = [];
  const all = scene({
    async silent(_, { id }) {
      ran.push(id);
      return { ok: true };
    },
    async answer(_, { to }) {
      await gate().passed;
      return { text: to };
    },
  });
  const disk = memoryClientStorage({ durable: true });
  const tabs = createTabNet();
  const failing = new Map<string, (key: StorageKey | undefined) => Promise<void>>();
  return {
    all,
    tabs,
    ran,
    fail: (name, call) => void failing.set(name, call),
    open(name, schemaVersion = 1) {
      const storage: ClientStorage = {
        async open(place, watch) {
          const database = await disk.open(place, watch);
          return {
            ...database,
            async range(prefix) {
              await failing.get(name)?.(prefix);
              return database.range(prefix);
            },
            async update(keys, change) {
              await failing.get(name)?.(keys[0]);
              return database.update(keys, change);
            },
          };
        },
      };
      const transports = [all.hub.transport(name), tabs.transport(name)];
      const store = createStore({ schema: { ...schema, schemaVersion }, mutators, room: 'room', storage, transports, userId: 'ann' });
      onTestFinished(() => store.close());
      return store;
    },
  };
}

it('[RC12] what a tab asked for that closes without a way to the relay another one sends, which finds the run too', async () => {
  const { all, ran, open } = device();
  const [leaving, staying] = [open('one'), open('two')];
  await Promise.all([leaving.synced, staying.synced]);
  const running = leaving.action.answer({ id: 'x', to: 'y' });
  await expect.poll(() => staying.runs.map(({ status }) => status)).toEqual(['running']);
  all.hub.setAvailable('one', false);
  await expect.poll(() => leaving.status.state).toBe('offline');
  const { id } = leaving.action.silent({ id: 'called' });
  void running.cancel();
  expect(ran).toEqual([]);
  await leaving.close();
  await expect.poll(() => ran).toEqual(['called']);
  expect(await staying.run('silent', id)).toEqual({ ok: true });
  await expect.poll(() => staying.run('answer', running.id).status).toBe('canceled');
});

it('[RC12] so it does once it is back itself, and for a tab that has crashed; what a tab asked for that is awake is its own', async () => {
  const { all, tabs, ran, open } = device();
  const [closing, crashing, awake, staying] = ['closing', 'crashing', 'awake', 'staying'].map((name) => open(name));
  const lines = { closing, crashing, awake, staying };
  await Promise.all(Object.values(lines).map((store) => store?.synced));
  for (const line of Object.keys(lines)) all.hub.setAvailable(line, false);
  await expect.poll(() => Object.values(lines).map((store) => store?.status.state)).toEqual(Array(4).fill('offline'));
  const asked = Object.fromEntries(Object.entries(lines).map(([id, store]) => [id, store?.action.silent({ id })]));
  await closing?.close();
  tabs.freeze('crashing', true);
  expect(ran).toEqual([]);
  all.hub.setAvailable('staying', true);
  await expect.poll(() => ran.toSorted(), { timeout: 15_000 }).toEqual(['closing', 'crashing', 'staying']);
  await asked['awake']?.cancel();
  all.hub.setAvailable('awake', true);
  await awake?.synced;
  await all.relay.drain();
  expect([asked['awake']?.status, ran.length]).toEqual(['canceled', 3]);
});

it('[RC12] a tab that opens sends nothing of what another one, that is awake, waits to send: it may be taken back there', async () => {
  const { all, ran, open } = device();
  const asking = open('asking');
  await asking.synced;
  all.hub.setAvailable('asking', false);
  await expect.poll(() => asking.status.state).toBe('offline');
  const [taken, kept] = [asking.action.silent({ id: 'taken back' }), asking.action.silent({ id: 'kept' })];
  const opened = open('opened');
  await opened.synced;
  await taken.cancel();
  await opened.mutate.note({ id: 'n', what: 'behind it all' }).then(({ confirmed }) => confirmed);
  await all.relay.drain();
  expect([ran, taken.status, kept.status]).toEqual([[], 'canceled', 'pending']);
  all.hub.setAvailable('asking', true);
  await kept;
  expect(ran).toEqual(['kept']);
});

it('[RC12] a wish to cancel leaves behind the call it is about, with whoever sends that', async () => {
  const { all, tabs, ran, open } = device();
  for (const line of ['asking', 'heir']) all.hub.setAvailable(line, false);
  const asking = open('asking');
  const { id } = asking.action.silent({ id: 'not wanted' });
  await asking.close();
  const heir = open('heir');
  await expect.poll(() => heir.runs.map(({ status }) => status)).toEqual(['pending']);
  void heir.run('silent', id).cancel();
  const other = open('other');
  await other.synced;
  await other.mutate.note({ id: 'n', what: 'behind what it has to send' }).then(({ confirmed }) => confirmed);
  tabs.freeze('heir', true);
  await expect.poll(() => other.runs.map(({ status }) => status), { timeout: 15_000 }).toEqual(['canceled']);
  await all.relay.drain();
  expect(ran).toEqual([]);
});

it('[RC12] a tab that cannot send is taken over from where it holds up another one; one that only has requests holds up nobody', async () => {
  const { all, ran, open } = device();
  const [asking, writing, staying] = [open('asking'), open('writing'), open('staying')];
  await Promise.all([asking, writing, staying].map((store) => store.synced));
  for (const line of ['asking', 'writing', 'staying']) all.hub.setAvailable(line, false);
  await expect.poll(() => [asking, writing, staying].map(({ status }) => status.state)).toEqual(Array(3).fill('offline'));
  const asked = asking.action.silent({ id: 'may be taken back' });
  await writing.mutate.note({ id: 'n', what: 'first' });
  await expect.poll(() => staying.table('log').get('n')?.what).toBe('first');
  const behind = await staying.mutate.note({ id: 'n', what: 'second' });
  all.hub.setAvailable('staying', true);
  await behind.confirmed;
  await asked.cancel();
  all.hub.setAvailable('asking', true);
  await asking.mutate.note({ id: 'n', what: 'third' }).then(({ confirmed }) => confirmed);
  await all.relay.drain();
  expect([asked.status, ran]).toEqual(['canceled', []]);
}, 30_000);

it.each(['cancel', 'expiresIn'])(
  '[RC12] what a tab asked for that turns out to be too old is for the newer one to take back: %s',
  async (way) => {
    const { all, open } = device();
    for (const line of ['older', 'newer']) all.hub.setAvailable(line, false);
    const older = open('older');
    await older.ready;
    const asked = older.action.silent({ id: 'x' }, way === 'expiresIn' ? { expiresIn: 1_500 } : {});
    // A write that comes behind it.
    await older.mutate.note({ id: 'n', what: 'behind it' }).then(({ stored }) => stored);
    const newer = open('newer', 2);
    await expect.poll(() => older.status.state).toBe('error');
    await expect.poll(() => newer.runs.map(({ status }) => status)).toEqual(['pending']);
    if (way === 'cancel') void asked.cancel();
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    expect([asked.status, newer.runs.length]).toEqual(['pending', 1]);
  },
);

it('[RC12] what is asked for on a page that is too old is refused there, and so is what it had asked for before it could write', async () => {
  const { all, open } = device();
  for (const line of ['newer', 'older']) all.hub.setAvailable(line, false);
  const newer = open('newer', 2);
  await newer.ready;
  const older = open('older');
  const early = older.action.silent({ id: 'early' }, { expiresIn: 60_000 });
  await expect(early).rejects.toMatchObject({ code: 'schema.tooOld' });
  expect(older.status.state).toBe('error');
  await expect(older.action.silent({ id: 'late' })).rejects.toMatchObject({ code: 'schema.tooOld' });
  expect(newer.runs).toEqual([]);
});

it('[RC12] a run that two tabs asked for with one key is taken back in neither while the other one holds it, and with all of it by one that has both', async () => {
  const { all, ran, open } = device();
  for (const line of ['one', 'two', 'three']) all.hub.setAvailable(line, false);
  const key = { idempotencyKey: 'k' };
  const one = open('one');
  await one.ready;
  one.action.silent({ id: 'x' }, key);
  const two = open('two');
  await two.ready;
  const asked = two.action.silent({ id: 'x' }, key);
  await two.mutate.note({ id: 'n', what: 'behind it' }).then(({ stored }) => stored);
  void asked.cancel();
  await two.mutate.note({ id: 'n', what: 'behind that' }).then(({ stored }) => stored);
  expect(asked.status).toBe('pending');
  await one.close();
  await two.close();
  // It asks before it has found what they had asked for; the wish to cancel was theirs.
  const three = open('three');
  const again = three.action.silent({ id: 'x' }, key);
  await three.ready;
  all.hub.setAvailable('three', true);
  await expect(again).rejects.toMatchObject({ code: 'run.canceled' });
  await three.close();
  const four = open('four');
  await four.synced;
  await all.relay.drain();
  expect([ran, four.runs.filter(({ status }) => status === 'pending')]).toEqual([[], []]);
});

it('[RC12] a change of the disk that fails says nothing of whose a call is: it is not taken for canceled', async () => {
  const { all, tabs, ran, open, fail } = device();
  all.hub.setAvailable('first', false);
  const first = open('first');
  await first.ready;
  const asked = first.action.silent({ id: 'x' });
  await first.mutate.note({ id: 'n', what: 'behind it' }).then(({ stored }) => stored);
  tabs.freeze('first', true);
  const second = open('second');
  await expect.poll(() => ran, { timeout: 15_000 }).toEqual(['x']);
  tabs.freeze('first', false);
  fail('first', async () => {
    throw new Error('once');
  });
  void asked.cancel();
  all.hub.setAvailable('first', true);
  expect(await asked).toEqual({ ok: true });
  expect(second.runs.map(({ status }) => status)).toEqual(['succeeded']);
});

it('[RC12] what could not be read of the device is looked for again', async () => {
  const { all, tabs, ran, open, fail } = device();
  const asking = open('asking');
  await asking.synced;
  all.hub.setAvailable('asking', false);
  await expect.poll(() => asking.status.state).toBe('offline');
  asking.action.silent({ id: 'x' });
  const late = open('late');
  await late.synced;
  await late.mutate.note({ id: 'm', what: 'level' }).then(({ confirmed }) => confirmed);
  let reads = 0;
  fail('late', async (prefix) => {
    if (prefix?.[0] === 'call' && prefix.length === 1 && reads++ < 1) throw new Error('once');
  });
  tabs.freeze('asking', true);
  await expect.poll(() => ran, { timeout: 15_000 }).toEqual(['x']);
  expect(reads).toBeGreaterThan(1);
}, 30_000);

it('[RC12] a wish to cancel is not sent by a tab that has lost the call to another one', async () => {
  const { all, tabs, ran, open, fail } = device();
  for (const line of ['asking', 'heir', 'third']) all.hub.setAvailable(line, false);
  const asking = open('asking');
  await asking.ready;
  const { id } = asking.action.silent({ id: 'not wanted' });
  await asking.close();
  const heir = open('heir');
  await expect.poll(() => heir.runs.map(({ status }) => status)).toEqual(['pending']);
  void heir.run('silent', id).cancel();
  const other = open('other');
  await other.synced;
  const { passed, open: go } = gate();
  let held = 0;
  fail('other', async (key) => {
    if (key?.[0] !== 'call' || key.length < 3) return;
    held += 1;
    await passed;
  });
  tabs.freeze('heir', true);
  await expect.poll(() => held, { timeout: 15_000 }).toBeGreaterThan(0);
  // Of the two that take it over one comes first.
  const third = open('third');
  await expect.poll(() => third.runs.map(({ status }) => status), { timeout: 15_000 }).toEqual(['pending']);
  tabs.freeze('third', true);
  go();
  await expect.poll(() => other.runs.map(({ status }) => status), { timeout: 20_000 }).toEqual(['canceled']);
  await all.relay.drain();
  expect(ran).toEqual([]);
}, 60_000);
