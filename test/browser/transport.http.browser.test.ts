import { CotableError, createStore, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { http } from 'cotable/transports/http';
import { webSocket } from 'cotable/transports/websocket';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { connectRecorded, type RecordedLink } from '../conformance/link-recorder.ts';
import { mutators, schema } from './notes.ts';

// The whole suite runs in Node, where both sides can be watched; here is what depends on the browser's own fetch.
const transport = http(inject('httpEchoUrl'));

const opened = async (): Promise<RecordedLink> => {
  const near = connectRecorded(transport);
  await near.record.isOpened;
  return near;
};

test('[HB1] messages come back in order and whole, each in a buffer of its own', async () => {
  const { link, record } = await opened();
  const messages = [500_000, 0, ...Array.from({ length: 1000 }, (_, index) => index + 2)].map((size) =>
    Uint8Array.from({ length: size }, (_, at) => at * 31 + size),
  );
  for (const message of messages) link.send(message);
  expect(link.buffered).toBeGreaterThan(0);
  await record.until(() => record.messages.length === messages.length);
  expect(record.messages.every((message, index) => message.every((byte, at) => byte === messages[index]?.[at]))).toBe(true);
  expect(record.messages.map(({ byteLength }) => byteLength)).toEqual(messages.map(({ byteLength }) => byteLength));
  expect(record.messages.every((message) => message.buffer.byteLength === message.byteLength)).toBe(true);
  await vi.waitFor(() => expect(link.buffered).toBe(0));
  link.close();
});

test('[HB1] reasons reach the other side, both ways', async () => {
  const { link, record } = await opened();
  link.send(Uint8Array.of(255));
  await record.isClosed;
  expect(record.calls).toEqual(['opened', 'closed']);
  expect(record.reasons[0]).toMatchObject({ name: 'CotableError', code: 'auth.required' });

  const second = await opened();
  second.link.close(new CotableError('schema.tooOld', { mine: 1, theirs: 2 }));
  expect(second.record.calls).toEqual(['opened', 'closed']);
  const next = await opened();
  await vi.waitFor(async () => {
    const before = next.record.messages.length;
    next.link.send(Uint8Array.of(254));
    await next.record.until(() => next.record.messages.length > before);
    expect(new TextDecoder().decode(next.record.messages.at(-1))).toBe('schema.tooOld');
  });
  next.link.close();
});

test('[HB1] after close, messages that were on their way are not heard; closed while it connects, it never opens', async () => {
  const { link, record } = await opened();
  for (let index = 0; index < 100; index++) link.send(new Uint8Array(2));
  await record.until(() => record.messages.length > 0);
  link.close();
  const told = [...record.calls];
  const early = connectRecorded(transport);
  early.link.close();
  (await opened()).link.close();
  expect(record.calls).toEqual(told);
  expect(early.record.calls).toEqual(['closed']);
});

test('[HB1] where nobody answers, the link is closed; available says that this browser is online', async () => {
  const near = connectRecorded(http(inject('httpSilentUrl')));
  await near.record.isClosed;
  expect(near.record.calls).toEqual(['closed']);
  const answers: boolean[] = [];
  transport.available?.((available) => answers.push(available))();
  expect(answers).toEqual([navigator.onLine]);
});

test('[HB2] a store that finds WebSockets blocked works over HTTP', async () => {
  const url = inject('blockedUrl');
  const open = (userId: string): Store<typeof schema> => {
    const storage = memoryClientStorage({ durable: true });
    const store = createStore({ schema, mutators, room: 'blocked', userId, storage, transports: [webSocket(url), http(url)] });
    onTestFinished(() => store.close());
    return store;
  };
  const [ann, ben] = [open('ann'), open('ben')];
  const { confirmed } = await ann.mutate.write({ id: 'a', text: 'žluť\r\n🙂' });
  await confirmed;
  await vi.waitFor(() => expect(ben.table('notes').get('a')).toEqual({ id: 'a', text: 'žluť\r\n🙂' }), 10_000);
  await (
    await ben.mutate.write({ id: 'b', text: 'back' })
  ).confirmed;
  await vi.waitFor(() => expect(ann.table('notes').has('b')).toBe(true));
  expect([ann.status.state, ben.status.state]).toEqual(['online', 'online']);
});
