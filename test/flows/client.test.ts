import { createClient, createTypedClient, type FlowEvent } from 'cotable/client';
import { defineFlow } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { gate, said, serve } from './scene.ts';

let wait = gate();
const flow = defineFlow({
  kind: 'my-app',
  actions: {
    chat: {
      inputSchema: z.object({ message: z.string() }),
      userMessage: ({ message }) => message,
      async block({ message }, ctx) {
        const item = ctx.addItem({ role: 'assistant', text: 'well, ' });
        await wait.passed;
        item.delta(message);
        return { length: message.length };
      },
    },
    reset: { inputSchema: z.object({}), block: () => {} },
  },
});

describe('a client of a flow', () => {
  it('[FL26 B21] has a method for each action, with the flow or by its type alone', async () => {
    const served = await serve([flow]);
    wait.open();
    const options = { userId: 'ann', baseUrl: `${served.base}/` };
    for (const client of [createTypedClient({ flow, ...options }), createTypedClient<typeof flow>({ flow: 'my-app', ...options })]) {
      const run = await client.actions.chat({ message: 'Hello!' });
      expect((await run.result).length).toBe(6);
      const reset = await client.actions.reset({}, { sessionId: run.sessionId });
      expect([await reset.result, reset.sessionId]).toEqual([null, run.sessionId]);
    }
  });

  it.each(['', 'the order of 月曜日', 'a\nb', 'x'.repeat(257)])('[FL42] sends no key that is none: %j', async (idempotencyKey) => {
    const client = createClient({ flowKind: 'any', baseUrl: 'http://127.0.0.1', fetch: () => expect.fail('nothing is sent') });
    await expect(client.sendAction('act', {}, { idempotencyKey })).rejects.toMatchObject({
      code: 'action.invalidInput',
      params: { issues: [{ path: ['idempotencyKey'] }] },
    });
  });

  it('[FL25] sends once what gets no answer, however often it has to send it', async () => {
    const served = await serve([flow]);
    wait.open();
    let posts = 0;
    const lossy = async (url: string, init: RequestInit): Promise<Response> => {
      const response = await fetch(url, init);
      if (init.method !== 'POST') return response;
      posts += 1;
      // It was heard, and the answer is lost.
      if (posts === 1) throw new TypeError('fetch failed');
      // A proxy says something of its own.
      return posts === 2 ? new Response('<h1>502</h1>', { status: 502 }) : response;
    };
    const client = createClient({ flowKind: 'my-app', userId: 'ann', baseUrl: served.base, fetch: lossy });
    const run = await client.sendAction('chat', { message: 'once' });
    await run.result;
    const runs = [];
    for await (const one of served.relay.runs.list()) runs.push(one.id);
    expect([posts, runs.length]).toEqual([3, 1]);
  });

  it('[FL25] reads on after each loss, from every loop the same, and what nobody looks at is not read', async () => {
    const served = await serve([flow]);
    wait = gate();
    let reads = 0;
    const cutting = async (url: string, init: RequestInit): Promise<Response> => {
      const response = await fetch(url, init);
      if (init.method !== 'GET' || !response.body) return response;
      reads += 1;
      // Each answer breaks off after a part of what it says, in the middle of a line.
      let left = reads < 6 ? 300 * reads : Infinity;
      const cut = new TransformStream<Uint8Array, Uint8Array>({
        transform(part, out) {
          out.enqueue(part.subarray(0, left));
          left -= part.length;
          if (left <= 0) out.error(new TypeError('terminated'));
        },
      });
      return new Response(response.body.pipeThrough(cut), response);
    };
    const client = createClient({ flowKind: 'my-app', userId: 'ann', baseUrl: served.base, fetch: cutting });
    const run = await client.sendAction('chat', { message: 'over and over' });
    await expect.poll(async () => (await served.get(`/api/flows/my-app/${run.sessionId}?userId=ann`)).text()).toContain('well, ');
    expect(reads).toBe(0);
    const loop = async (): Promise<FlowEvent[]> => {
      const events: FlowEvent[] = [];
      for await (const event of run) events.push(event);
      return events;
    };
    const loops = [loop(), loop()];
    wait.open();
    const [one, two] = await Promise.all(loops);
    expect(two).toEqual(one);
    expect(await loop()).toEqual(one);
    expect(new Set(one?.map(({ id }) => id)).size).toBe(one?.length);
    expect(one?.at(-1)?.type).toBe('request.completed');
    expect(reads).toBeGreaterThan(3);
  });

  it('[FL27] cancels a request, and stops reading it when its signal says so', async () => {
    const served = await serve([flow]);
    wait = gate();
    const client = createTypedClient({ flow, userId: 'ann', baseUrl: served.base });
    const run = await client.actions.chat({ message: 'never' });
    await run.cancel();
    await expect(run.result).rejects.toMatchObject({ code: 'run.canceled' });
    await expect(run.cancel()).rejects.toMatchObject({ code: 'run.terminal' });

    const stop = new AbortController();
    const other = await client.actions.chat({ message: 'later' }, { signal: stop.signal });
    const first = await other[Symbol.asyncIterator]().next();
    expect(first.value).toMatchObject({ type: 'request.created' });
    stop.abort(new Error('enough'));
    await expect(other.result).rejects.toThrow('enough');
    // It goes on, and may be read again.
    const again = client.run<{ length: number }>(other.request);
    wait.open();
    expect(await again.result).toEqual({ length: 5 });
  });

  it('[FL28 B10] shows a session: what was there, what is under way, and what is sent from it', async () => {
    const served = await serve([flow]);
    wait = gate();
    const client = createClient({ flowKind: 'my-app', userId: 'ann', baseUrl: served.base });
    const session = client.session();
    expect([session.id, session.state]).toEqual([undefined, { items: [], status: 'idle', error: undefined }]);
    let changes = 0;
    const leave = session.subscribe(() => (changes += 1));
    // Two at once begin one session.
    const [one, two] = await Promise.all(['one', 'two'].map((message) => session.sendAction('chat', { message })));
    expect([two?.sessionId, session.id]).toEqual([one?.sessionId, one?.sessionId]);
    expect(session.state.status).toBe('in_progress');

    // Somebody else looks at it meanwhile.
    const viewer = client.session(session.id);
    expect(viewer.state.status).toBe('loading');
    const leaveViewer = viewer.subscribe(() => undefined);
    await expect.poll(() => viewer.state.status).toBe('in_progress');
    wait.open();
    const told = ['assistant: well, one', 'assistant: well, two', 'user: one', 'user: two'];
    for (const { state } of [session, viewer]) expect(state).toBeDefined();
    await expect.poll(() => [session.state.status, viewer.state.status]).toEqual(['idle', 'idle']);
    for (const { state } of [session, viewer]) expect(said(state.items).toSorted()).toEqual(told);
    const state = session.state;
    leave();
    leaveViewer();
    expect(session.state).toBe(state);
    const before = changes;
    await (
      await client.sendAction('reset', {}, { sessionId: session.id })
    ).result;
    expect(changes).toBe(before);

    const unknown = client.session('my-app~nothing');
    const leaveUnknown = unknown.subscribe(() => undefined);
    await expect.poll(() => unknown.state.status).toBe('error');
    expect(unknown.state.error?.code).toBe('flow.sessionNotFound');
    leaveUnknown();
  });
});
