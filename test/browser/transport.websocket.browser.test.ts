import { CotableError } from 'cotable';
import { webSocket } from 'cotable/transports/websocket';
import { expect, inject, test, vi } from 'vitest';
import { connectRecorded, type RecordedLink } from '../conformance/link-recorder.ts';

// The whole suite runs in Node, where both sides can be watched; here is what depends on the browser's own WebSocket.
// What the bytes 254 and 255 do stands in echo-relay.setup.ts.
const transport = webSocket(inject('echoUrl'));

const opened = async (): Promise<RecordedLink> => {
  const near = connectRecorded(transport);
  await near.record.isOpened;
  return near;
};

test('[WB1] messages come back in order and whole, each in a buffer of its own', async () => {
  const { link, record } = await opened();
  const messages = [500_000, 0, ...Array.from({ length: 1000 }, (_, index) => index + 2)].map((size) => new Uint8Array(size).fill(size));
  for (const message of messages) link.send(message);
  expect(link.buffered).toBeGreaterThan(0);
  await record.until(() => record.messages.length === messages.length);
  expect(record.messages.map((message) => [message.byteLength, message.at(-1)])).toEqual(
    messages.map((message) => [message.byteLength, message.at(-1)]),
  );
  expect(record.messages.every((message) => message.buffer.byteLength === message.byteLength)).toBe(true);
  await vi.waitFor(() => expect(link.buffered).toBe(0));
  link.close();
});

test('[WB2] the relay’s reason reaches the page', async () => {
  const { link, record } = await opened();
  link.send(Uint8Array.of(255));
  await record.isClosed;
  expect(record.calls).toEqual(['opened', 'closed']);
  expect(record.reasons[0]).toMatchObject({ name: 'CotableError', code: 'auth.required' });
});

test('[WB2] the page’s reason reaches the relay', async () => {
  const { link, record } = await opened();
  link.close(new CotableError('schema.tooOld', { mine: 1, theirs: 2 }));
  expect(record.calls).toEqual(['opened', 'closed']);
  const next = await opened();
  await vi.waitFor(async () => {
    const before = next.record.messages.length;
    next.link.send(Uint8Array.of(254));
    await next.record.until(() => next.record.messages.length > before);
    expect(new TextDecoder().decode(next.record.messages.at(-1))).toBe('schema.tooOld');
  });
  next.link.close();
});

test('[WB3] after close, messages that were on their way are not heard', async () => {
  const { link, record } = await opened();
  for (let index = 0; index < 100; index++) link.send(new Uint8Array(2));
  await record.until(() => record.messages.length > 0);
  link.close();
  const told = [...record.calls];
  (await opened()).link.close();
  expect(record.calls).toEqual(told);
  expect(told.at(-1)).toBe('closed');
});

test('[WB4] a link closed while it connects is closed once and never opens', async () => {
  const near = connectRecorded(transport);
  await Promise.resolve();
  near.link.close();
  (await opened()).link.close();
  expect(near.record.calls).toEqual(['closed']);
});

test('[WB5] where nobody answers, the link is closed', async () => {
  const near = connectRecorded(webSocket(inject('silentUrl')));
  await near.record.isClosed;
  expect(near.record.calls).toEqual(['closed']);
});

test('[WB6] available says that this browser is online', () => {
  const answers: boolean[] = [];
  transport.available?.((available) => answers.push(available))();
  expect(answers).toEqual([navigator.onLine]);
});
