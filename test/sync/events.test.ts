import { expect, it, vi } from 'vitest';
import { answer, ask, scene, success, type Client } from './scene.ts';
import type { ScriptedLink, ScriptedRelay } from './scripted-relay.ts';

const RUN = 'chat/send/v1~1';
const marked = (...texts: readonly string[]): unknown => texts.map((part) => [1, { part }]);

/** A client in the room, and the link that it listens on. */
async function joined(): Promise<{ readonly relay: ScriptedRelay; readonly client: Client; readonly link: ScriptedLink }> {
  const { relay, client } = await scene({ rooms: ['room'] });
  return { relay, client, link: await listening(relay, 0) };
}

async function listening(relay: ScriptedRelay, index: number): Promise<ScriptedLink> {
  await expect.poll(() => relay.links[index]?.said.some(({ type }) => type === 'listen')).toBe(true);
  const link = relay.links[index];
  if (!link) throw new Error('no link');
  return link;
}

/** What a callback for all of the event gets: texts of pieces, and what was said in the end. */
function listen(client: Client, to: unknown[] = []): { readonly heard: unknown[]; readonly stop: () => void } {
  const stop = client.upsertSyncEventCallback({
    name: 'chat/send',
    version: 'v1',
    callback: (event) =>
      to.push(event.status === 'stream' ? ('part' in event.stream ? event.stream.part : event.stream.phase) : event.serverOutput),
  });
  return { heard: to, stop };
}

/** Resolves when all that the link has said so far has arrived. */
async function passed(client: Client, link: ScriptedLink): Promise<void> {
  await new Promise<void>((done) => {
    const stop = client.upsertSyncEventCallback({ name: 'chat/send', version: 'v2', callback: () => done(stop()) });
    link.event('chat/send/v2~fence', {});
  });
}

it('[SY17 C3 C43] a callback gets what the handlers made of a request, with its room and run, once for each delivery', async () => {
  const { client, link } = await joined();
  const heard: unknown[] = [];
  client.upsertSyncEventCallback({ name: 'chat/send', version: 'v1', callback: (event) => heard.push(event) });
  link.event(RUN, { said: 'hi' }, { mark: 1 });
  link.event(RUN, { said: 'hi' });
  await expect.poll(() => heard).toHaveLength(2);
  expect(heard).toEqual([
    { status: 'success', room: 'room', run: RUN, serverOutput: { said: 'hi' }, clientOutput: { mark: 1 } },
    { status: 'success', room: 'room', run: RUN, serverOutput: { said: 'hi' }, clientOutput: {} },
  ]);
});

it('[SY18 C4] the same name and version again replaces, and what ended it before does nothing then; another version stays', async () => {
  const { client, link } = await joined();
  const [first, second, other] = [[], [], []] as [unknown[], unknown[], unknown[]];
  const { stop: stopFirst } = listen(client, first);
  const { stop: stopSecond } = listen(client, second);
  client.upsertSyncEventCallback({ name: 'chat/send', version: 'v2', callback: ({ serverOutput }) => other.push(serverOutput) });
  stopFirst();
  link.event(RUN, { said: 'a' });
  link.event('chat/send/v2~1', { said: 'b' });
  await expect.poll(() => other).toEqual([{ said: 'b' }]);
  stopSecond();
  link.event(RUN, { said: 'c' });
  link.event('chat/send/v2~2', { said: 'd' });
  await expect.poll(() => other).toHaveLength(2);
  expect([first, second]).toEqual([[], [{ said: 'a' }]]);
});

it.each([
  [{ name: 'send' }, 'routing.invalidServiceRouteName'],
  [{ version: 'latest' }, 'sync.invalidVersion'],
  [{ callback: undefined }, 'sync.invalidCallback'],
] as const)('[SY19 C6] a callback that cannot be is refused with its code: %o is %s', async (part, code) => {
  const { client } = await scene();
  for (const upsert of [client.upsertSyncEventCallback, client.upsertSyncEventStreamCallback]) {
    const registration = { name: 'chat/send', version: 'v1', callback: () => undefined, ...part };
    expect(() => Reflect.apply(upsert, undefined, [registration])).toThrow(expect.objectContaining({ code }));
  }
});

it('[SY20 C27] what nobody hears is dropped unread: not even its JSON is parsed', async () => {
  const { client, link } = await joined();
  const parse = vi.spyOn(JSON, 'parse');
  const read = (): unknown[] => parse.mock.calls.map(([text]) => text).filter((text) => text.includes('client-side'));
  client.upsertSyncEventCallback({ name: 'chat/send', version: 'v2', callback: () => undefined });
  link.stream(RUN);
  for (let offset = 0; offset < 50; offset++) link.delta(RUN, offset, [[1, { part: 'client-side' }]]);
  link.streamEnd(RUN, 50);
  for (let count = 0; count < 50; count++) link.event(RUN, { said: 'client-side' });
  link.event('chat/send/v2~1', { said: 'client-side and heard' });
  await expect.poll(() => read()).toEqual(['{"said":"client-side and heard"}']);
  parse.mockRestore();
});

it('[SY21 C24] onStream of a request gets what its handler says to who asked, callbacks what is for them', async () => {
  const { client, link } = await joined();
  const { heard } = listen(client);
  const phases: string[] = [];
  const response = ask(client, 'hi', { idempotencyKey: 'key', onStream: ({ phase }) => phases.push(phase) });
  await expect.poll(() => link.asked.length).toBe(1);
  link.taken('key', RUN);
  link.stream(RUN);
  link.delta(RUN, 0, [
    [0, { phase: 'begun' }],
    [1, { part: 'a' }],
    [0, { phase: 'done' }],
  ]);
  link.streamEnd(RUN, 3);
  link.event(RUN, { said: 'a' });
  link.answer('key', success('a'));
  expect(await response).toEqual(success('a'));
  expect([phases, heard]).toEqual([
    ['begun', 'done'],
    ['a', { said: 'a' }],
  ]);
});

it('[SY22 C25] the callback for pieces stands beside the other one, and hears nothing else', async () => {
  const { client, link } = await joined();
  const { heard } = listen(client);
  const pieces: unknown[] = [];
  const stop = client.upsertSyncEventStreamCallback({ name: 'chat/send', version: 'v1', callback: (event) => pieces.push(event) });
  link.stream(RUN);
  link.delta(RUN, 0, marked('a'));
  // What a recipient's own handler says is a stream of its own: of the same run.
  link.stream(`${RUN}~session`);
  link.delta(`${RUN}~session`, 0, marked('b'));
  link.streamEnd(`${RUN}~session`, 1);
  link.streamEnd(RUN, 1);
  link.event(RUN, { said: 'ab' });
  await expect.poll(() => heard).toEqual(['a', 'b', { said: 'ab' }]);
  expect(pieces).toEqual(['a', 'b'].map((part) => ({ status: 'stream', room: 'room', run: RUN, stream: { part } })));
  stop();
  link.stream('chat/send/v1~2');
  link.delta('chat/send/v1~2', 0, marked('c'));
  await expect.poll(() => heard).toHaveLength(4);
  expect(pieces).toHaveLength(2);
});

it('[SY23 C28] a delivery and an answer come after all pieces of their run, also when these come late', async () => {
  const { client, link } = await joined();
  const { heard } = listen(client);
  const response = ask(client, 'hi', { idempotencyKey: 'key' }).then((answer) => heard.push(answer.status));
  await expect.poll(() => link.asked.length).toBe(1);
  link.taken('key', RUN);
  link.stream(RUN);
  link.delta(RUN, 0, marked('a'));
  link.streamEnd(RUN, 3);
  link.event(RUN, { said: 'abc' });
  link.answer('key', success('abc'));
  // Another run that has all of its own does not wait for it.
  link.event('chat/send/v1~2', { said: 'other' });
  await expect.poll(() => heard).toEqual(['a', { said: 'other' }]);
  link.delta(RUN, 1, marked('b', 'c'));
  await response;
  expect(heard).toEqual(['a', { said: 'other' }, 'b', 'c', { said: 'abc' }, 'success']);
});

it('[SY24 C28] where nothing is known of the stream any more, nothing waits for it', async () => {
  const { client, link } = await joined();
  const { heard } = listen(client);
  link.stream(RUN);
  link.delta(RUN, 0, marked('a'));
  link.streamEnd(RUN, 2);
  link.event(RUN, { said: 'ab' });
  await expect.poll(() => heard).toEqual(['a']);
  link.streamGone(RUN);
  await expect.poll(() => heard).toEqual(['a', { said: 'ab' }]);
});

it('[SY25 CX7] pieces that are missing are asked for, and those that came before are not given again', async () => {
  const { client, link } = await joined();
  const { heard } = listen(client);
  link.stream(RUN);
  link.delta(RUN, 0, marked('a', 'b'));
  link.delta(RUN, 4, marked('e'));
  link.delta(RUN, 5, marked('f'));
  await expect.poll(() => link.said.at(-1)).toEqual({ type: 'resume', run: RUN, attempt: 1, offset: 2 });
  expect(link.said.filter(({ type }) => type === 'resume')).toHaveLength(1);
  link.delta(RUN, 1, marked('b', 'c', 'd', 'e', 'f'));
  await expect.poll(() => heard).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

it('[SY26 CX7] who begins to hear an event while it streams gets its pieces from the first', async () => {
  const { client, link } = await joined();
  link.stream(RUN);
  link.delta(RUN, 0, marked('a', 'b'));
  await passed(client, link);
  const seen = listen(client);
  await expect.poll(() => link.said.at(-1)).toEqual({ type: 'resume', run: RUN, attempt: 1, offset: 0 });
  link.delta(RUN, 0, marked('a', 'b', 'c'));
  link.streamEnd(RUN, 3);
  link.event(RUN, { said: 'abc' });
  await expect.poll(() => seen.heard).toEqual(['a', 'b', 'c', { said: 'abc' }]);
});

it('[SY27 CX7] over a new link a stream goes on where it was', async () => {
  const { relay, client, link } = await joined();
  const { heard } = listen(client);
  link.stream(RUN);
  link.delta(RUN, 0, marked('a', 'b'));
  await expect.poll(() => heard).toHaveLength(2);
  link.cut();
  const next = await listening(relay, 1);
  expect(next.said[0]).toMatchObject({ type: 'enter', streams: [{ run: RUN, attempt: 1, offset: 2 }] });
  next.streams([RUN]);
  next.delta(RUN, 2, marked('c'));
  next.streamEnd(RUN, 3);
  next.event(RUN, { said: 'abc' });
  await expect.poll(() => heard).toEqual(['a', 'b', 'c', { said: 'abc' }]);
});

it('[SY28] when the relay had to begin again, the pieces begin again', async () => {
  const { client, link } = await joined();
  const { heard } = listen(client);
  link.stream(RUN, 1);
  link.delta(RUN, 0, marked('a', 'b'));
  link.stream(RUN, 2);
  link.delta(RUN, 0, marked('A'));
  link.streamEnd(RUN, 1, 2);
  link.event(RUN, { said: 'A' });
  await expect.poll(() => heard).toEqual(['a', 'b', 'A', { said: 'A' }]);
});

it('[SY29] rooms are joined and left while the client lives; a name that cannot be is refused', async () => {
  const { relay, client } = await scene();
  const { heard } = listen(client);
  client.join('room');
  client.join('room');
  const link = await listening(relay, 0);
  link.event(RUN, { said: 'in' });
  await expect.poll(() => heard).toEqual([{ said: 'in' }]);
  client.leave('room');
  await expect
    .poll(() => link.said.filter(({ type }) => type === 'listen'))
    .toEqual([
      { type: 'listen', isOn: true },
      { type: 'listen', isOn: false },
    ]);
  expect(relay.links).toHaveLength(1);
  expect(() => client.join('')).toThrow(expect.objectContaining({ code: 'room.invalidName' }));
});

it('[SY69] a room that is left is gone from the status at once, unless something is wanted of it', async () => {
  const { relay, client } = await scene();
  client.join('room');
  const link = await listening(relay, 0);
  const seen: string[][] = [];
  client.subscribe(() => seen.push(Object.keys(client.status.rooms)));
  client.leave('room');
  expect([seen, client.status.rooms]).toEqual([[[]], {}]);
  await expect.poll(() => link.isClosed).toBe(true);
  client.join('room');
  await listening(relay, 1);
  const response = ask(client, 'hi');
  client.leave('room');
  expect(client.status.rooms['room']?.state).toBe('online');
  await expect.poll(() => relay.links[1]?.asked.length).toBe(1);
  answer(relay.links[1] ?? link, relay.links[1]?.asked[0]?.request ?? '', { text: 'hi' });
  expect(await response).toEqual(success('hi'));
  // Its link stays for a while, for what is asked next.
  expect(client.status.rooms['room']?.state).toBe('online');
});

it('[SY30] what a callback throws is for the page, and costs neither link nor the other callback', async () => {
  const { relay, client, link } = await joined();
  const thrown: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error));
  client.upsertSyncEventCallback({
    name: 'chat/send',
    version: 'v1',
    callback() {
      throw new Error('mine');
    },
  });
  const pieces: unknown[] = [];
  client.upsertSyncEventStreamCallback({ name: 'chat/send', version: 'v1', callback: ({ stream }) => pieces.push(stream) });
  link.stream(RUN);
  link.delta(RUN, 0, marked('a', 'b'));
  await expect.poll(() => [thrown.length, pieces.length]).toEqual([2, 2]);
  process.removeAllListeners('uncaughtException');
  for (const other of others) process.on('uncaughtException', other);
  expect(relay.links).toHaveLength(1);
  expect(client.status.rooms['room']?.state).toBe('online');
});

it('[SY59 C24 CX7] over a new link pieces for who asked may come ahead of the word which request they are of: they are given all the same', async () => {
  const { relay, client, link } = await joined();
  const { heard } = listen(client);
  const phases: string[] = [];
  const response = ask(client, 'hi', { idempotencyKey: 'key', onStream: ({ phase }) => phases.push(phase) });
  await expect.poll(() => link.asked.length).toBe(1);
  link.cut();
  const next = await listening(relay, 1);
  await expect.poll(() => next.asked.length).toBe(1);
  next.stream(RUN);
  next.delta(RUN, 0, [
    [0, { phase: 'begun' }],
    [1, { part: 'a' }],
  ]);
  next.taken('key', RUN);
  next.delta(RUN, 2, [[0, { phase: 'done' }]]);
  next.streamEnd(RUN, 3);
  next.answer('key', success('a'));
  expect(await response).toEqual(success('a'));
  expect([phases, heard]).toEqual([['begun', 'done'], ['a']]);
});

it('[SY60 C24 CX7] what was said of a request while there was no link is asked for, and its answer waits for that', async () => {
  const { relay, client } = await scene();
  const phases: string[] = [];
  const response = ask(client, 'hi', { idempotencyKey: 'key', onStream: ({ phase }) => phases.push(phase) });
  await expect.poll(() => relay.links[0]?.asked.length).toBe(1);
  relay.answer = (link, { request }) => {
    link.taken(request, RUN);
    link.answer(request, success('a'));
  };
  relay.links[0]?.cut();
  await expect.poll(() => relay.links[1]?.said.at(-1)).toEqual({ type: 'resume', run: RUN, attempt: 0, offset: 0 });
  const next = relay.links[1];
  next?.streamEnd(RUN, 1);
  next?.stream(RUN);
  next?.delta(RUN, 0, [[0, { phase: 'done' }]]);
  expect(await response).toEqual(success('a'));
  expect(phases).toEqual(['done']);
});
