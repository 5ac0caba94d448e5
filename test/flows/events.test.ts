import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import type { FlowEvent } from 'cotable/client';
import { createRelay, defineFlow, type FlowContext } from 'cotable/relay';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { allEvents, eventsOf, gate, mutators, reading, said, schema, send, serve, tempFile, typesOf, type Served } from './scene.ts';

const run = promisify(execFile);

/** What a block is told to do, one thing after the other: text is said, `undefined` waits for the next. */
const steps: (() => void)[] = [];
const step = (): void => steps.shift()?.();

async function talk({ words }: { readonly words: readonly string[] }, ctx: FlowContext): Promise<string> {
  for (const said of words) {
    const item = ctx.addItem({ role: 'assistant' });
    for (const word of said.split(' ')) {
      item.delta(`${word} `);
      if (word === '(wait)') await new Promise<void>((resolve) => steps.push(resolve));
    }
    await item.done();
  }
  return 'told';
}

const flow = defineFlow({
  kind: 'talks',
  actions: {
    talk: { inputSchema: z.object({ words: z.array(z.string()) }), block: talk, userMessage: () => 'talk' },
    many: {
      inputSchema: z.object({ tokens: z.number() }),
      async block({ tokens }, ctx) {
        const item = ctx.addItem({ role: 'assistant' });
        for (let token = 0; token < tokens; token++) item.delta('abcd ');
        await item.done();
      },
    },
  },
});
const path = '/api/flows/talks';
const streamOf = (requestId: string): string => `${path}/requests/${requestId}/stream`;

/** Reads until somebody has what is looked for. */
async function until(events: AsyncGenerator<FlowEvent>, heard: FlowEvent[], isEnough: (event: FlowEvent) => boolean): Promise<void> {
  for (let next = await events.next(); !next.done; next = await events.next()) {
    heard.push(next.value);
    if (isEnough(next.value)) return;
  }
  throw new Error('the events ended');
}

const WORDS = ['one (wait) two (wait) three', 'four 🎈 five'];
const TOLD = ['user: talk', 'assistant: one (wait) two (wait) three ', 'assistant: four 🎈 five '];

/** A reader from each event on, with the one before it: together they have read what an uninterrupted one has. */
async function resumesEverywhere(served: Served, requestId: string, whole: readonly FlowEvent[]): Promise<void> {
  for (const [index, { id }] of whole.slice(0, -1).entries()) {
    const isByHeader = index % 2 === 0;
    const rest = await allEvents(
      isByHeader
        ? await served.get(streamOf(requestId), { 'last-event-id': id })
        : await served.get(`${streamOf(requestId)}?starting_after=${id}`),
    );
    expect(said(reading([...whole.slice(0, index + 1), ...rest]).values()), `from ${id} on`).toEqual(TOLD);
    expect(rest.at(-1), `from ${id} on`).toEqual(whole.at(-1));
  }
}

describe('events of a request', () => {
  it('[FL8 B15 B18 B19] are told as server-sent events as they happen, the text in pieces, the last one last', async () => {
    const served = await serve([flow]);
    const { requestId } = await send(served, `${path}/actions/talk`, { words: WORDS });
    const response = await served.get(streamOf(requestId));
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream',
      'no-cache, no-transform',
    ]);
    const heard: FlowEvent[] = [];
    const events = eventsOf(response);
    const isText = (text: string) => (): boolean => [...reading(heard).values()].at(-1)?.text === text;
    // Each is here before the block goes on.
    await until(events, heard, isText('one (wait) '));
    step();
    await until(events, heard, isText('one (wait) two (wait) '));
    step();
    await until(events, heard, ({ type }) => type === 'request.completed');
    expect((await events.next()).done).toBe(true);
    expect(typesOf(heard).filter((type, at) => type !== 'content.delta' || heard[at - 1]?.type !== type)).toEqual([
      'request.created',
      'request.in_progress',
      ...['item.added', 'content.added', 'content.done', 'item.done'],
      ...['item.added', 'content.added', 'content.delta', 'content.done', 'item.done'],
      ...['item.added', 'content.added', 'content.delta', 'content.done', 'item.done'],
      'request.completed',
    ]);
    expect(said(reading(heard).values())).toEqual(TOLD);
    expect(new Set(heard.map(({ id }) => id)).size).toBe(heard.length);
  });

  it('[FL9 BX4] go on behind each of them, without a loss and without anything twice, while it goes on and after it', async () => {
    const served = await serve([flow]);
    const { requestId } = await send(served, `${path}/actions/talk`, { words: WORDS });
    const whole: FlowEvent[] = [];
    const events = eventsOf(await served.get(streamOf(requestId)));
    await until(events, whole, () => [...reading(whole).values()].at(-1)?.text === 'one (wait) ');
    // Those who come while it waits get the rest when it goes on.
    const early = await Promise.all(
      whole.map(async ({ id }, index) => ({ index, response: await served.get(streamOf(requestId), { 'last-event-id': id }) })),
    );
    const rests = early.map(async ({ index, response }) => ({ index, rest: await allEvents(response) }));
    step();
    await until(events, whole, () => [...reading(whole).values()].at(-1)?.text === 'one (wait) two (wait) ');
    step();
    await until(events, whole, ({ type }) => type === 'request.completed');
    for (const { index, rest } of await Promise.all(rests)) expect(rest).toEqual(whole.slice(index + 1));
    await resumesEverywhere(served, requestId, whole);
    // Nothing that is no id of an event is taken for one: all of it comes.
    expect(await allEvents(await served.get(streamOf(requestId), { 'last-event-id': 'what?' }))).toEqual(whole);
  });

  it('[FL9 BX4] go on behind each of them over a restart of the relay in the middle, and after one at the end', async () => {
    const file = await tempFile();
    const first = await serve([flow], { file });
    const { requestId } = await send(first, `${path}/actions/talk`, { words: WORDS });
    const told: FlowEvent[] = [];
    await until(eventsOf(await first.get(streamOf(requestId))), told, () => [...reading(told).values()].at(-1)?.text === 'one (wait) ');
    await first.relay.close({ graceMs: 0 });
    steps.length = 0;

    const second = await serve([flow], { file });
    const rests = told.map(async ({ id }, index) => ({
      index,
      rest: await allEvents(await second.get(streamOf(requestId), { 'last-event-id': id })),
    }));
    for (let waits = 0; waits < 2; waits++) {
      await expect.poll(() => steps.length).toBe(1);
      step();
    }
    for (const { index, rest } of await Promise.all(rests)) {
      expect(said(reading([...told.slice(0, index + 1), ...rest]).values())).toEqual(TOLD);
      // It was begun again, and says so before anything else of that.
      expect(rest.find(({ id }) => id.startsWith('2.'))?.type).toBe('request.in_progress');
      expect(rest.at(-1)?.type).toBe('request.completed');
    }
    const whole = await allEvents(await second.get(streamOf(requestId)));
    expect(typesOf(whole).filter((type) => type === 'request.in_progress')).toHaveLength(1);
    expect(said(reading(whole).values())).toEqual(TOLD);
    await second.relay.close();

    // Its stream is gone with that relay: what is told is what the rows hold.
    const third = await serve([flow], { file });
    const anew = await allEvents(await third.get(streamOf(requestId)));
    expect(typesOf(anew)).toEqual([
      'request.created',
      ...['item.added', 'item.done', 'item.added', 'item.done', 'item.added', 'item.done'],
      'request.completed',
    ]);
    expect(said(reading(anew).values())).toEqual(TOLD);
    await resumesEverywhere(third, requestId, told.concat(whole.at(-1) ?? []));
    await resumesEverywhere(third, requestId, anew);
  });

  it('[FL10] who has the last event is told that nothing comes any more', async () => {
    const served = await serve([flow]);
    const { requestId } = await send(served, `${path}/actions/talk`, { words: [] });
    const last = (await allEvents(await served.get(streamOf(requestId)))).at(-1);
    const again = await served.get(streamOf(requestId), { 'last-event-id': last?.id ?? '' });
    expect([again.status, await again.text()]).toEqual([204, '']);
  });

  it('[FL11] a thousand tokens are far fewer events, and no character is cut', async () => {
    const served = await serve([flow]);
    const { requestId } = await send(served, `${path}/actions/many`, { tokens: 1_000 });
    const events = await allEvents(await served.get(streamOf(requestId)));
    expect(typesOf(events).filter((type) => type === 'content.delta').length).toBeLessThan(150);
    expect([...reading(events).values()].map(({ text }) => text)).toEqual(['abcd '.repeat(1_000)]);
  });

  it('[FL12 BX2] are the answer to the action itself, for who asks for that', async () => {
    const served = await serve([flow]);
    const response = await served.post(`${path}/actions/talk`, { input: { words: ['hi'] } }, { accept: 'text/event-stream' });
    const header = (name: string): string | null => response.headers.get(name);
    expect([response.status, header('x-accel-buffering'), header('cache-control')]).toEqual([200, 'no', 'no-cache, no-transform']);
    const events = await allEvents(response);
    expect(events[0]).toMatchObject({ request: { id: header('x-request-id'), sessionId: header('x-session-id') } });
    expect(said(reading(events).values())).toEqual(['user: talk', 'assistant: hi ']);
    const again = await allEvents(await served.get(streamOf(header('x-request-id') ?? '')));
    expect(again).toEqual(events);
  });

  it('[FL12] are read by curl as they are by anybody', async () => {
    const served = await serve([flow]);
    const input = JSON.stringify({ input: { words: ['hi there'] }, userId: 'ann' });
    const { stdout } = await run('curl', ['-sN', '-d', input, '-H', 'accept: text/event-stream', `${served.base}${path}/actions/talk`]);
    const blocks = stdout.split('\n\n').filter((block) => block.startsWith('id: '));
    expect(blocks.map((block) => block.split('\n').map((line) => line.split(': ', 1)[0]))).toEqual(
      blocks.map(() => ['id', 'event', 'data']),
    );
    const events = blocks.map((block) => JSON.parse(block.split('\ndata: ')[1] ?? '') as FlowEvent);
    expect(events.at(-1)?.type).toBe('request.completed');
    expect(said(reading(events).values())).toEqual(['user: talk', 'assistant: hi there ']);
  });

  it('[FL13] an answer that has nothing to say for 15 s says that it is there', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const wait = gate();
    const silent = defineFlow({ kind: 'silent', actions: { wait: { inputSchema: z.object({}), block: () => wait.passed } } });
    const relay = createRelay({ backend: { schema, mutators, flows: [silent] }, storage: memoryRelayStorage() });
    onTestFinished(() => {
      wait.open();
      vi.useRealTimers();
      return relay.close();
    });
    const headers = { accept: 'text/event-stream' };
    const body = JSON.stringify({ input: {}, userId: 'ann' });
    const request = new Request('http://relay/api/flows/silent/actions/wait', { method: 'POST', headers, body });
    const reader = (await relay.fetch(request)).body?.getReader();
    const read = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value);
    expect(await read()).toBe(':\n\n');
    expect(await read()).toContain('request.created');
    expect(await read()).toContain('request.in_progress');
    for (let beats = 0; beats < 2; beats++) {
      const next = read();
      await vi.advanceTimersByTimeAsync(14_999);
      expect(await Promise.race([next, 'nothing'])).toBe('nothing');
      await vi.advanceTimersByTimeAsync(1);
      expect(await next).toBe(':\n\n');
    }
    await reader?.cancel();
  });
});
