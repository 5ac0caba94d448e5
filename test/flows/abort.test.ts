import type { FlowItem } from 'cotable/client';
import { defineFlow } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { allEvents, eventsOf, gate, reading, said, send, serve, typesOf, type Kept, type Served } from './scene.ts';

const ended: string[] = [];
const begun: AbortSignal[] = [];
let wait = gate();

const flow = defineFlow({
  kind: 'slow',
  actions: {
    talk: {
      inputSchema: z.object({}),
      userMessage: () => 'talk',
      async block(_, ctx) {
        begun.push(ctx.signal);
        const item = ctx.addItem({ role: 'assistant', parts: [{ tool: 'clock' }] });
        item.delta('the ');
        // By then its row has that much, and will not have more for half a second.
        await new Promise((resolve) => setTimeout(resolve, 100));
        item.delta('beginning');
        await wait.passed;
        // Nobody waits for it: in an attempt that is over it rejects, and nobody has to hear of that.
        void item.done();
      },
    },
    long: {
      inputSchema: z.object({ items: z.number(), length: z.number(), fails: z.boolean() }),
      async block({ items, length, fails }, ctx) {
        const writers = Array.from({ length: items }, () => ctx.addItem({ role: 'assistant' }));
        // Their rows are there, and will not have what follows.
        while ((await ctx.table('items').entries()).length < items) await new Promise((resolve) => setTimeout(resolve, 5));
        for (const writer of writers) writer.delta('x'.repeat(length));
        if (fails) throw new Error('it fails');
        wait.open();
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      },
    },
    quick: { inputSchema: z.object({}), block: () => 'done' },
    late: { inputSchema: z.object({}), timeoutMs: 50, block: () => new Promise(() => undefined) },
  },
  hooks: {
    onCompleted: ({ id }) => void ended.push(`completed ${id}`),
    onFailed: ({ id }, { code }) => void ended.push(`${code} ${id}`),
    onAborted: ({ id }) => void ended.push(`aborted ${id}`),
  },
});
const path = '/api/flows/slow';
const at = (requestId: string, what: string): string => `${path}/requests/${requestId}/${what}`;
const codeOf = async (response: Response): Promise<unknown> => [
  response.status,
  response.status === 204 ? '' : (await response.json()).errorCode,
];
const itemsOf = async (served: Served, session: string): Promise<string[]> =>
  said(((await (await served.get(`${path}/${session}?userId=ann`)).json()) as { items: FlowItem[] }).items);

describe('the end of a request', () => {
  it('[FL14 BX5 BX3] is made by an abort: 204, the block hears of it, the text so far stays, and it is the last event', async () => {
    wait = gate();
    const served = await serve([flow]);
    const { requestId, session } = await send(served, `${path}/actions/talk`, {});
    const heard = [];
    for await (const event of eventsOf(await served.get(at(requestId, 'stream')))) {
      heard.push(event);
      if (event.type === 'content.delta' && event.delta === 'beginning')
        expect((await served.post(at(requestId, 'abort'))).status).toBe(204);
    }
    expect(heard.at(-1)).toMatchObject({ type: 'request.aborted', request: { id: requestId } });
    expect(begun.at(-1)?.aborted).toBe(true);
    const status = await (await served.get(at(requestId, 'status'))).json();
    expect(status).toMatchObject({ status: 'aborted', requestId });
    expect(ended).toContain(`aborted ${requestId}`);
    expect(await itemsOf(served, session.id)).toEqual(['user: talk', 'assistant: the beginning (incomplete)']);
    // What the block does afterwards is nobody's any more.
    wait.open();
    await served.relay.drain();
    expect(await itemsOf(served, session.id)).toEqual(['user: talk', 'assistant: the beginning (incomplete)']);
  });

  it.each(Array.from({ length: 40 }, (_, i) => i))(
    '[FL15 BX5] comes once: an abort of what has ended is 409, of what is not there 404, and two at once are no more than one',
    async () => {
      wait = gate();
      const served = await serve([flow]);
      const quick = await send(served, `${path}/actions/quick`, {});
      await allEvents(await served.get(at(quick.requestId, 'stream')));
      expect(await codeOf(await served.post(at(quick.requestId, 'abort')))).toEqual([409, 'run.terminal']);
      for (const unknown of [`${'0'.repeat(48)}.${'0'.repeat(32)}`, 'x', `${quick.requestId}0`]) {
        for (const response of [
          await served.post(at(unknown, 'abort')),
          await served.get(at(unknown, 'status')),
          await served.get(at(unknown, 'stream')),
        ]) {
          expect(await codeOf(response)).toEqual([404, 'run.notFound']);
        }
      }
      const { requestId } = await send(served, `${path}/actions/talk`, {});
      const answers = await Promise.all([1, 2, 3].map(async () => (await served.post(at(requestId, 'abort'))).status));
      expect(answers).toContain(204);
      expect(answers.every((status) => status === 204 || status === 409)).toBe(true);
      const types = typesOf(await allEvents(await served.get(at(requestId, 'stream'))));
      expect(types.filter((type) => /aborted|completed|failed/.test(type))).toEqual(['request.aborted']);
      expect(ended.filter((line) => line.endsWith(requestId))).toEqual([`aborted ${requestId}`]);
    },
  );

  it('[FL15] is one of two that race: what the abort was answered with tells which', async () => {
    const served = await serve([flow]);
    for (let round = 0; round < 12; round++) {
      const { requestId } = await send(served, `${path}/actions/quick`, {});
      // From too early to too late.
      await new Promise((resolve) => setTimeout(resolve, round * 2));
      const { status } = await served.post(at(requestId, 'abort'));
      const last = (await allEvents(await served.get(at(requestId, 'stream')))).at(-1)?.type;
      expect([status, last]).toEqual(status === 204 ? [204, 'request.aborted'] : [409, 'request.completed']);
      const stands = (await (await served.get(at(requestId, 'status'))).json()) as { status: string };
      expect(`request.${stands.status}`).toBe(last);
      expect(ended.at(-1)).toBe(`${stands.status} ${requestId}`);
    }
  });

  it('[FL16] is a failure when its time is up, and what is queued is aborted before it begins', async () => {
    wait = gate();
    const served = await serve([flow], { limits: { runs: 1 } });
    const late = await send(served, `${path}/actions/late`, {});
    const events = await allEvents(await served.get(at(late.requestId, 'stream')));
    expect(events.at(-1)).toMatchObject({ type: 'request.failed', error: { errorCode: 'run.timeout', httpStatus: 504 } });
    const first = await send(served, `${path}/actions/talk`, {});
    const second = await send(served, `${path}/actions/talk`, {});
    const queued = eventsOf(await served.get(at(second.requestId, 'stream')));
    // It is there, though its turn has not come.
    expect((await queued.next()).value).toMatchObject({ id: '0.0', type: 'request.created' });
    expect((await served.post(at(second.requestId, 'abort'))).status).toBe(204);
    wait.open();
    const rest = [];
    for await (const event of queued) rest.push(event);
    expect(typesOf(rest)).toEqual(['request.aborted']);
    const whole = await allEvents(await served.get(at(first.requestId, 'stream')));
    expect([...reading(whole).values()].at(-1)).toMatchObject({ text: 'the beginning', parts: [{ tool: 'clock' }], status: 'done' });
  });

  it.each([
    { items: 3, length: 150_000 },
    { items: 550, length: 600 },
  ])('[FL40] closes $items items of $length characters, whatever one mutation holds, and is the end that it was', async (given) => {
    wait = gate();
    const served = await serve([flow]);
    const closed = async ({ session }: Kept): Promise<void> => {
      const { items } = (await (await served.get(`${path}/${session.id}?userId=ann`)).json()) as { items: FlowItem[] };
      expect(items).toHaveLength(given.items);
      expect(new Set(items.map(({ status }) => status))).toEqual(new Set(['incomplete']));
      // What there is room for is kept.
      expect(items[0]?.text).toBe('x'.repeat(given.length));
    };
    const failing = await send(served, `${path}/actions/long`, { ...given, fails: true });
    expect((await allEvents(await served.get(at(failing.requestId, 'stream')))).at(-1)).toMatchObject({
      type: 'request.failed',
      error: { errorCode: 'run.failed', errorParams: { reason: 'it fails' } },
    });
    await closed(failing);
    const aborted = await send(served, `${path}/actions/long`, { ...given, fails: false });
    await wait.passed;
    expect((await served.post(at(aborted.requestId, 'abort'))).status).toBe(204);
    expect((await allEvents(await served.get(at(aborted.requestId, 'stream')))).at(-1)?.type).toBe('request.aborted');
    await closed(aborted);
  });
});
