import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { createClient, type FlowEvent, type FlowItem } from 'cotable/client';
import { defineFlow, type FlowContext } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { allEvents, eventsOf, gate, reading, said, send, serve, tempFile, typesOf, type Served } from './scene.ts';

let wait = gate();
/** What the rows of the session were as each attempt began. */
const found: string[][] = [];

/** The first attempt says three items, one of them to its end and one not; later ones say one. */
async function less({ fails }: { readonly fails: boolean }, ctx: FlowContext): Promise<void> {
  found.push(said((await ctx.table('items').list()).toSorted((a, b) => a.at - b.at)));
  await ctx.addItem({ role: 'tool', text: `of attempt ${ctx.attempt}` }).done();
  if (ctx.attempt === 1) {
    await ctx.addItem({ role: 'tool', text: 'not said again' }).done();
    ctx.addItem({ role: 'assistant' }).delta('left open');
    await wait.passed;
    throw new Error('the first attempt fails');
  }
  if (!fails) return;
  ctx.addItem({ role: 'assistant' }).delta('broken off');
  throw new Error('all attempts fail');
}

const flow = defineFlow({
  kind: 'again',
  actions: {
    less: {
      inputSchema: z.object({ fails: z.boolean() }),
      userMessage: () => 'go',
      retry: { attempts: 2, firstDelayMs: 1 },
      block: less,
    },
    many: {
      inputSchema: z.object({ items: z.number() }),
      retry: { attempts: 2, firstDelayMs: 1 },
      async block({ items }, ctx) {
        if (ctx.attempt > 1) return;
        for (let n = 0; n < items; n++) ctx.addItem({ role: 'tool', text: `item ${n}` });
        while ((await ctx.table('items').count()) < items) await new Promise((resolve) => setTimeout(resolve, 5));
        throw new Error('the first attempt fails');
      },
    },
    late: {
      inputSchema: z.object({ fails: z.boolean() }),
      userMessage: () => 'go',
      retry: { attempts: 2, firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
      block: less,
    },
  },
});
const path = '/api/flows/again';
const streamOf = (requestId: string): string => `${path}/requests/${requestId}/stream`;
const itemsOf = async (served: Served, session: string): Promise<string[]> =>
  said(((await (await served.get(`${path}/${session}?userId=ann`)).json()) as { items: FlowItem[] }).items);

const FIRST = ['user: go', 'tool: of attempt 1', 'tool: not said again'];
const ENDS = [
  { fails: false, told: ['user: go', 'tool: of attempt 2'], last: 'request.completed' },
  { fails: true, told: ['user: go', 'tool: of attempt 2', 'assistant: broken off (incomplete)'], last: 'request.failed' },
];

/** Reads on until the first attempt has said all that it says. */
async function firstAttempt(events: AsyncGenerator<FlowEvent>): Promise<FlowEvent[]> {
  const heard: FlowEvent[] = [];
  while (said(reading(heard).values()).at(-1) !== 'assistant: left open (in_progress)') {
    const next = await events.next();
    if (next.done) throw new Error('the events ended');
    heard.push(next.value);
  }
  expect(said(reading(heard).values()).slice(0, 3)).toEqual(FIRST);
  return heard;
}

/** Whoever reads, wherever from, and whatever of it, has the same in the end. */
async function allAgree(served: Served, session: string, requestId: string, heard: readonly FlowEvent[], told: readonly string[]) {
  expect(await itemsOf(served, session)).toEqual(told);
  const whole = await allEvents(await served.get(streamOf(requestId)));
  expect(said(reading(whole).values())).toEqual(told);
  for (const [index, { id }] of heard.slice(0, -1).entries()) {
    const rest = await allEvents(await served.get(streamOf(requestId), { 'last-event-id': id }));
    expect(said(reading([...heard.slice(0, index + 1), ...rest]).values()), `from ${id} on`).toEqual(told);
  }
  const client = createClient({ flowKind: 'again', userId: 'ann', baseUrl: served.base }).session(session);
  onTestFinished(client.subscribe(() => undefined));
  await expect.poll(() => said(client.state.items)).toEqual(told);
  const store = createStore({
    schema: flow.schema,
    mutators: flow.mutators,
    room: session,
    userId: 'ann',
    storage: memoryClientStorage(),
    transports: [webSocket(served.base.replace('http', 'ws'), { WebSocket })],
  });
  onTestFinished(() => store.close());
  await expect
    .poll(() =>
      said(
        store
          .table('items')
          .list()
          .toSorted((a, b) => a.at - b.at),
      ),
    )
    .toEqual(told);
}

describe('a request that is begun again', () => {
  it.each(ENDS)('[FL43] is what its last attempt says, for who reads live, late, or when its stream is forgotten: $last', async (end) => {
    wait = gate();
    found.length = 0;
    const file = await tempFile();
    const served = await serve([flow], { file });
    const { requestId, session } = await send(served, `${path}/actions/less`, { fails: end.fails });
    const events = eventsOf(await served.get(streamOf(requestId)));
    const live = await firstAttempt(events);
    const shown = createClient({ flowKind: 'again', userId: 'ann', baseUrl: served.base }).session(session.id);
    onTestFinished(shown.subscribe(() => undefined));
    await expect.poll(() => said(shown.state.items)).toEqual([...FIRST, 'assistant: left open (in_progress)']);
    wait.open();
    for await (const event of events) live.push(event);
    expect(live.at(-1)?.type).toBe(end.last);
    expect(said(reading(live).values())).toEqual(end.told);
    await expect.poll(() => [shown.state.status, said(shown.state.items)]).toEqual(['idle', end.told]);
    // Before the user message is said again, and before the block is called.
    expect(found).toEqual([['user: go'], ['user: go']]);
    await allAgree(served, session.id, requestId, live, end.told);
    await served.relay.close();
    await allAgree(await serve([flow], { file }), session.id, requestId, live, end.told);
  });

  it('[FL43] takes out more items than one mutation may', async () => {
    const served = await serve([flow]);
    const { requestId, session } = await send(served, `${path}/actions/many`, { items: 1_300 });
    const events = await allEvents(await served.get(streamOf(requestId)));
    expect([events.at(-1)?.type, [...reading(events).keys()]]).toEqual(['request.completed', []]);
    expect(await itemsOf(served, session.id)).toEqual([]);
  });

  it('[FL43] is that too when the relay is restarted in between', async () => {
    wait = gate();
    const [end] = ENDS;
    const file = await tempFile();
    const first = await serve([flow], { file });
    const { requestId, session } = await send(first, `${path}/actions/less`, { fails: false });
    const live = await firstAttempt(eventsOf(await first.get(streamOf(requestId))));
    await first.relay.close({ graceMs: 0 });
    const second = await serve([flow], { file });
    live.push(...(await allEvents(await second.get(streamOf(requestId), { 'last-event-id': live.at(-1)?.id ?? '' }))));
    expect(said(reading(live).values())).toEqual(end?.told);
    await allAgree(second, session.id, requestId, live, end?.told ?? []);
  });

  it.each([false, true])(
    '[FL44] and ends before that, is what was said, with what was left open as `incomplete`: relay restarted in between: %s',
    async (isRestarted) => {
      wait = gate();
      const file = await tempFile();
      const first = await serve([flow], { file });
      const { requestId, session } = await send(first, `${path}/actions/late`, { fails: false });
      const events = eventsOf(await first.get(streamOf(requestId)));
      const live = await firstAttempt(events);
      wait.open();
      const isWaiting = async (): Promise<boolean> => {
        for await (const { status } of first.relay.runs.list({ room: session.id })) return status === 'waiting';
        return false;
      };
      await expect.poll(isWaiting).toBe(true);
      if (isRestarted) await first.relay.close({ graceMs: 0 });
      const served = isRestarted ? await serve([flow], { file }) : first;
      expect((await served.post(`${path}/requests/${requestId}/abort`)).status).toBe(204);
      const rest = isRestarted ? eventsOf(await served.get(streamOf(requestId), { 'last-event-id': live.at(-1)?.id ?? '' })) : events;
      for await (const event of rest) live.push(event);
      const told = [...FIRST, 'assistant: left open (incomplete)'];
      expect(live.at(-1)?.type).toBe('request.aborted');
      expect(said(reading(live).values())).toEqual(told);
      await allAgree(served, session.id, requestId, live, told);
    },
  );

  it('[FL44] an item that is left open ends as `incomplete` with its request, which says so before its last event', async () => {
    wait = gate();
    const served = await serve([flow]);
    const { requestId, session } = await send(served, `${path}/actions/less`, { fails: false });
    const events = eventsOf(await served.get(streamOf(requestId)));
    const live = await firstAttempt(events);
    expect((await served.post(`${path}/requests/${requestId}/abort`)).status).toBe(204);
    for await (const event of events) live.push(event);
    expect(typesOf(live).slice(-2)).toEqual(['item.updated', 'request.aborted']);
    await allAgree(served, session.id, requestId, live, [...FIRST, 'assistant: left open (incomplete)']);
  });
});
