import { createClient, type FlowItem } from 'cotable/client';
import { defineFlow, pipeline, type FlowContext } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { allEvents, eventsOf, gate, reading, said, send, serve, typesOf, type Kept } from './scene.ts';

const path = '/api/flows/my-app/actions';

/** What was done, in order. */
const log: string[] = [];
const passes: { readonly passed: Promise<void>; open(): void }[] = [];

async function answer({ message }: { readonly message: string }, ctx: FlowContext): Promise<{ readonly words: number }> {
  log.push(`block: ${message}`);
  const item = ctx.addItem({ role: 'assistant' });
  for (const word of `you said ${message}`.split(' ')) item.delta(`${word} `);
  await item.done();
  await passes.shift()?.passed;
  return { words: message.split(' ').length };
}

const shout = pipeline(
  (input: { readonly message: string }) => input.message.length,
  async (length) => '!'.repeat(length),
  (marks, ctx) => {
    void ctx.addItem({ role: 'assistant', text: marks }).done();
    return { marks };
  },
);

const flow = defineFlow({
  kind: 'my-app',
  actions: {
    chat: { inputSchema: z.object({ message: z.string() }), block: answer, userMessage: (input) => input.message },
    reset: { inputSchema: z.object({}), block: () => log.push('reset') && undefined },
    shout: { inputSchema: z.object({ message: z.string().trim().default('hi') }), block: shout },
    fail: {
      inputSchema: z.object({}),
      block(_, ctx) {
        const item = ctx.addItem({ role: 'assistant' });
        for (const word of ['half ', 'of']) item.delta(word);
        throw new Error('the model is gone');
      },
    },
  },
  hooks: {
    onCompleted: async ({ actionName, userId, input }, result) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      log.push(`completed: ${actionName} ${userId} ${JSON.stringify([input, result])}`);
    },
    onFailed: ({ actionName }, error) => void log.push(`failed: ${actionName} ${error.code}`),
    onAborted: ({ actionName }) => void log.push(`aborted: ${actionName}`),
  },
});

describe('requests of a flow', () => {
  it('[FL1 B1 B2 B11 B14] an action begins a new session: 202 at once, with where to look, while it is worked on', async () => {
    const served = await serve([flow]);
    const wait = gate();
    passes.push(wait);
    const response = await served.post(`${path}/chat`, { input: { message: 'Hello!' } });
    const body = (await response.json()) as Kept;
    expect(response.status).toBe(202);
    const request = { id: body.requestId, flowKind: 'my-app', actionName: 'chat', sessionId: body.session.id };
    expect(body).toEqual({ status: 'in_progress', requestId: expect.any(String), request, session: { id: expect.any(String) } });
    expect(body.session.id).toMatch(/^my-app~[\da-f]{48}$/);
    const location = new URL(response.headers.get('location') ?? '', response.url).pathname;
    expect(location).toBe(`/api/flows/my-app/requests/${body.requestId}/status`);
    const status = async (): Promise<unknown> => (await served.get(location)).json();
    const stands = { requestId: body.requestId, request, session: body.session };
    expect(await status()).toEqual({ ...stands, status: 'in_progress' });
    wait.open();
    await expect.poll(status).toEqual({ ...stands, status: 'completed', result: { words: 1 } });
  });

  it('[FL1 B6] an input of nothing is an input, and a result of nothing is null', async () => {
    const served = await serve([flow]);
    const { requestId } = await send(served, `${path}/reset`, {});
    const events = await allEvents(await served.get(`/api/flows/my-app/requests/${requestId}/stream`));
    expect(events.at(-1)).toMatchObject({ type: 'request.completed', result: null });
    expect(log.filter((line) => line === 'reset')).toHaveLength(1);
  });

  it.each([
    [{ input: { message: 1 } }, ['message'], /^The request is not valid: message: /],
    [{ input: {} }, ['message'], /message: /],
    [{}, ['input'], /input: expected/],
    [{ input: { message: 'hi' }, userId: 7 }, ['userId'], /userId: expected a string/],
    ['{ no json', [], /the body is not JSON/],
    ['null', ['input'], /input: expected/],
  ])('[FL2 B3 B16] %j is answered with 400 and the path of what is wrong, and nothing is run or begun', async (body, where, message) => {
    const served = await serve([flow]);
    const before = log.length;
    const response = await served.post(`${path}/chat`, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      status: 'error',
      errorCode: 'flow.invalidInput',
      errorParams: { issues: [{ path: where }] },
      message: expect.stringMatching(message),
      httpStatus: 400,
    });
    await served.relay.drain();
    expect(log.slice(before)).toEqual([]);
    const runs = [];
    for await (const run of served.relay.runs.list()) runs.push(run);
    expect(runs).toEqual([]);
  });

  it('[FL3 B4] a block is a function or a pipeline, each part of which gets what the one before gives; the first one what the schema gives', async () => {
    const served = await serve([flow]);
    for (const [input, marks] of [
      [{}, '!!'],
      [{ message: ' hey ' }, '!!!'],
    ] as const) {
      const { requestId } = await send(served, `${path}/shout`, input);
      const events = await allEvents(await served.get(`/api/flows/my-app/requests/${requestId}/stream`));
      expect(events.at(-1)).toMatchObject({ type: 'request.completed', result: { marks } });
      expect(said(reading(events).values())).toEqual([`assistant: ${marks}`]);
    }
  });

  it('[FL4 B5 B17 B20] first the user is heard, then the block is called, then the hook, then comes the last event', async () => {
    const served = await serve([flow]);
    const from = log.length;
    const { requestId } = await send(served, `${path}/chat`, { message: 'what is it' });
    const heard: string[] = [];
    for await (const event of eventsOf(await served.get(`/api/flows/my-app/requests/${requestId}/stream`))) {
      if (event.type === 'item.done') heard.push(`${event.item.role}: ${event.item.text}`);
      if (event.type.startsWith('request.')) heard.push(event.type);
      if (event.type === 'request.completed') {
        // By then it has been called, though it takes its time.
        expect(log.slice(from)).toEqual(['block: what is it', 'completed: chat ann [{"message":"what is it"},{"words":3}]']);
      }
    }
    expect(heard).toEqual([
      'request.created',
      'request.in_progress',
      'user: what is it',
      'assistant: you said what is it ',
      'request.completed',
    ]);
  });

  it('[FL4 BX3] a request that fails says so, with the text so far and the hook called', async () => {
    const served = await serve([flow]);
    const { requestId, session } = await send(served, `${path}/fail`, {});
    const events = await allEvents(await served.get(`/api/flows/my-app/requests/${requestId}/stream`));
    expect(typesOf(events)).toEqual([
      'request.created',
      'request.in_progress',
      'item.added',
      'content.added',
      'content.delta',
      'content.delta',
      'item.updated',
      'request.failed',
    ]);
    expect(events.at(-1)).toMatchObject({ error: { errorCode: 'run.failed', errorParams: { reason: 'the model is gone' } } });
    expect(log.at(-1)).toBe('failed: fail run.failed');
    const { items } = (await (await served.get(`/api/flows/my-app/${session.id}?userId=ann`)).json()) as { items: FlowItem[] };
    expect(said(items)).toEqual(['assistant: half of (incomplete)']);
  });

  it('[FL5 B12 B9] a session goes on with each request in it', async () => {
    const served = await serve([flow]);
    const { session } = await send(served, `${path}/chat`, { message: 'one' });
    await served.relay.drain();
    const second = await send(served, `/api/flows/my-app/${session.id}/actions/chat`, { message: 'two' });
    expect(second.session).toEqual(session);
    await served.relay.drain();
    const { items } = (await (await served.get(`/api/flows/my-app/${session.id}?userId=ann`)).json()) as { items: FlowItem[] };
    expect(said(items)).toEqual(['user: one', 'assistant: you said one ', 'user: two', 'assistant: you said two ']);
  });

  it('[FL6 B13] the body says who asks, where nobody else does', async () => {
    const served = await serve([flow]);
    const { requestId } = await send(served, `${path}/reset`, {});
    const runs = [];
    for await (const run of served.relay.runs.list()) runs.push(run.userId);
    expect([runs, requestId !== '']).toEqual([['ann'], true]);
    const nobody = await served.post(`${path}/reset`, '{ "input": {} }');
    expect([nobody.status, (await nobody.json()).errorCode]).toEqual([401, 'auth.required']);
  });

  it('[FL7 B7 B8] the client sends, begins a session, iterates events and has the result', async () => {
    const served = await serve([flow]);
    const client = createClient({ flowKind: 'my-app', userId: 'user_1', baseUrl: served.base });
    const run = await client.sendAction<{ words: number }>('chat', { message: 'Hello!' });
    const types: string[] = [];
    for await (const { type } of run) types.push(type);
    expect([types[0], types.at(-1)]).toEqual(['request.created', 'request.completed']);
    expect(await run.result).toEqual({ words: 1 });
    const next = await client.sendAction('reset', {}, { sessionId: run.sessionId });
    expect([next.sessionId, await next.result]).toEqual([run.sessionId, null]);
    await expect(client.sendAction('chat', { message: 3 })).rejects.toMatchObject({
      code: 'flow.invalidInput',
      params: { issues: [{ path: ['message'] }] },
    });
    const failed = await client.sendAction('fail', {});
    await expect(failed.result).rejects.toMatchObject({ code: 'run.failed' });
  });
});
