import fc from 'fast-check';
import { isCotableError } from 'cotable';
import { chatCompletions, type ChatAnswer, type ChatCompletionsOptions } from 'cotable/adapters/platform';
import { definePlatform } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { startModel, type Turn } from '../fixtures/chat-completions.ts';
import { inAnAction } from './in-an-action.ts';

const messages = [{ role: 'user', content: 'Say hello.' }] as const;

interface Asking extends Partial<ChatCompletionsOptions> {
  readonly signal?: AbortSignal;
}

/** Asks as `ctx.platform.call('ai', { messages })` does. */
function ask({ signal = new AbortController().signal, ...options }: Asking): Promise<ChatAnswer> {
  return chatCompletions({ url: 'http://localhost/v1', model: 'tiny', ...options })({ messages }, { service: 'ai', signal });
}

/** Asks a server that does so, and reads the whole answer. */
async function askServer(answer: (turn: Turn) => void | Promise<void>, options: Asking = {}): Promise<string> {
  const { url } = await startModel(answer);
  return (await ask({ url, ...options })).text();
}

/** Asks an endpoint that sends these bytes. */
function askBytes(body: BodyInit): Promise<ChatAnswer> {
  return ask({ fetch: async () => new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }) });
}

async function reasonOf(answer: Promise<unknown>): Promise<string> {
  const error: unknown = await answer.then(
    () => expect.unreachable('it answered'),
    (thrown: unknown) => thrown,
  );
  if (!isCotableError(error, 'platform.failed')) throw error;
  expect(error.params.service).toBe('ai');
  return error.params.reason;
}

const says = (content: unknown, finish: string | null = null): string =>
  JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] });

describe('a chat model as a capability', () => {
  it('[PL4] says its answer to an action in pieces, or as one text', async () => {
    const turns: Turn[] = [];
    const { url } = await startModel((turn) => {
      turns.push(turn);
      for (const piece of ['Hello', ' there', ' 💙']) turn.say(piece);
      turn.finish();
    });
    const platform = definePlatform({ ai: chatCompletions({ url, key: 'a-key', model: 'tiny', parameters: { temperature: 0 } }) });
    const result = await inAnAction(platform, async (ctx) => {
      const pieces: string[] = [];
      for await (const piece of await ctx.platform.call('ai', { messages })) {
        ctx.broadcastStream(piece);
        pieces.push(piece);
      }
      const whole: string = await (await ctx.platform.call('ai', { messages })).text();
      // @ts-expect-error nobody has this role
      const refused = await reasonOf(ctx.platform.call('ai', { messages: [{ role: 'boss', content: '' }] }));
      return [pieces, whole, refused];
    });
    expect(result).toEqual([['Hello', ' there', ' 💙'], 'Hello there 💙', 'tiny was asked with an unknown role in messages[0]']);
    expect(turns.map(({ path, authorization, body }) => ({ path, authorization, body }))).toEqual(
      Array.from({ length: 2 }, () => ({
        path: '/v1/chat/completions',
        authorization: 'Bearer a-key',
        body: { temperature: 0, model: 'tiny', stream: true, messages },
      })),
    );
  });

  it('[PL4] says each piece at once', async () => {
    let turn: Turn | undefined;
    const { url } = await startModel((one) => {
      turn = one;
      one.say('first');
    });
    const pieces = (await ask({ url }))[Symbol.asyncIterator]();
    expect(await pieces.next()).toEqual({ done: false, value: 'first' });
    turn?.say('second');
    expect(await pieces.next()).toEqual({ done: false, value: 'second' });
    turn?.finish();
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
  });

  it('[PL5] is read alike however its bytes are cut, with any line ends', async () => {
    const lines = [
      ': a comment',
      'event: x',
      'id: 1',
      `data: ${says('one 💙')}`,
      '',
      `data:${says(null)}`,
      '',
      'data: {"choices":',
      'data: []}',
    ];
    const events = [...lines, '', '', `data: ${says(' two', 'stop')}`, '', 'data: [DONE]', '', 'data: cut off'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat()), async (end, cuts) => {
        const bytes = new TextEncoder().encode(events.join(end));
        const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
        const body = new ReadableStream({
          start(controller) {
            for (const [index, place] of places.entries()) controller.enqueue(bytes.slice(places[index - 1] ?? 0, place));
            controller.close();
          },
        });
        const pieces: string[] = [];
        for await (const piece of await askBytes(body)) pieces.push(piece);
        expect(pieces).toEqual(['one 💙', ' two']);
      }),
    );
  });

  it('[PL5] may end without a [DONE], or without a reason; one that is not streamed is one piece', async () => {
    expect(await (await askBytes(`data: ${says('whole', 'length')}\n\n`)).text()).toBe('whole');
    expect(await (await askBytes(`data: ${says('whole')}\n\ndata: [DONE]\n\n`)).text()).toBe('whole');
    expect(await askServer((turn) => turn.reply(200, { choices: [{ message: { content: 'at once' } }] }))).toBe('at once');
  });

  it('[PL6] fails with what the endpoint says when it refuses', async () => {
    const reason = (status: number, body: unknown): Promise<string> => reasonOf(askServer((turn) => turn.reply(status, body)));
    expect(await reason(401, { error: { message: 'Incorrect API key' } })).toBe('tiny answered 401: Incorrect API key');
    expect(await reason(404, { error: 'model not found' })).toBe('tiny answered 404: model not found');
    expect(await reason(429, { error: { code: 7 } })).toBe('tiny answered 429: {"code":7}');
    expect(await reason(503, '<h1>Away</h1>')).toBe('tiny answered 503: Service Unavailable');
    expect(await reason(200, { error: { message: 'no tokens left' } })).toBe('tiny failed: no tokens left');
    expect(await reason(200, { choices: [] })).toBe('tiny sent something unreadable');
    expect(await reasonOf(ask({ url: 'http://127.0.0.1:1' }))).toMatch(/^tiny cannot be reached: ./);
  });

  it('[PL11] says of a refusal whether and when asking again may help, which the retries of runs heed', async () => {
    const cause = async (status: number, headers: Record<string, string> = {}): Promise<unknown> => {
      const error: unknown = await ask({ fetch: async () => new Response('no', { status, headers }) }).catch((thrown: unknown) => thrown);
      const { retryable, retryAfterMs } = (error as { readonly cause: { readonly retryable: boolean; readonly retryAfterMs?: number } })
        .cause;
      return [retryable, retryAfterMs];
    };
    expect(await cause(401)).toEqual([false, undefined]);
    expect(await cause(408)).toEqual([true, undefined]);
    expect(await cause(429, { 'retry-after': '7' })).toEqual([true, 7_000]);
    expect(await cause(503, { 'retry-after': 'soon' })).toEqual([true, undefined]);
    const [, wait] = (await cause(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() })) as [boolean, number];
    expect(wait).toBeGreaterThan(50_000);
    let asked = 0;
    const { url } = await startModel((turn) => {
      asked += 1;
      turn.refuse(401, 'no');
    });
    const platform = definePlatform({ ai: chatCompletions({ url, model: 'tiny' }) });
    const failing = inAnAction(platform, (ctx) => ctx.platform.call('ai', { messages }));
    expect(await reasonOf(failing)).toBe('tiny answered 401: no');
    expect(asked).toBe(1);
  });

  it('[PL6] fails while it is read when it breaks off, after what was said until then', async () => {
    let turn: Turn | undefined;
    const { url } = await startModel((one) => {
      turn = one;
      one.say('I was about to');
    });
    const pieces = (await ask({ url }))[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toBe('I was about to');
    turn?.drop();
    expect(await reasonOf(pieces.next())).toMatch(/^tiny stopped in the middle: ./);

    const reason = async (events: string): Promise<string> => reasonOf((await askBytes(events)).text());
    expect(await reason(`data: ${says('a')}\n\n`)).toBe('tiny stopped in the middle');
    expect(await reason(`data: ${says('a')}\n\ndata: {"error":{"message":"overloaded"}}\n\n`)).toBe('tiny failed: overloaded');
    expect(await reason('data: {"choices\n\n')).toBe('tiny sent something unreadable');
    expect(await reason(`data: ${says(['a'])}\n\n`)).toBe('tiny sent something unreadable');
  });

  it('[PL7] lets go of the endpoint when its loop is left', async () => {
    let closed: Promise<unknown> | undefined;
    const { url } = await startModel((turn) => {
      closed = turn.closed;
      turn.say('first');
    });
    for await (const piece of await ask({ url })) {
      expect(piece).toBe('first');
      break;
    }
    await closed;
  });

  it('[PL7] is aborted with the signal of its call, before it answers and in the middle', async () => {
    const gone = new Error('the relay shuts down');
    let isSpeaking = false;
    const asked: Turn[] = [];
    const { url } = await startModel((turn) => {
      asked.push(turn);
      if (isSpeaking) turn.say('first');
    });
    const early = new AbortController();
    const unanswered = ask({ url, signal: early.signal });
    await expect.poll(() => asked.length).toBe(1);
    early.abort(gone);
    await expect(unanswered).rejects.toBe(gone);

    isSpeaking = true;
    const late = new AbortController();
    const pieces = (await ask({ url, signal: late.signal }))[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toBe('first');
    late.abort(gone);
    await expect(pieces.next()).rejects.toBe(gone);
    await Promise.all(asked.map(({ closed }) => closed));
  });

  it('[PL7] is given up when it takes too long', async () => {
    const reason = 'tiny has not answered within 0.05 s';
    expect(await reasonOf(askServer(() => undefined, { timeoutMs: 50 }))).toBe(reason);
    expect(await reasonOf(askServer((turn) => turn.say('well'), { timeoutMs: 50 }))).toBe(reason);
  });

  it('[PL8] sends a key only when it has one', async () => {
    const sent: unknown[] = [];
    for (const key of [undefined, '', 'a-key']) {
      await askServer(
        (turn) => {
          sent.push(turn.authorization);
          turn.finish();
        },
        { key },
      );
    }
    expect(sent).toEqual([undefined, undefined, 'Bearer a-key']);
  });

  it('[PL8] refuses a key, a url and messages that cannot be sent, and says no secret', async () => {
    const refusal = (options: Partial<ChatCompletionsOptions>): string => {
      try {
        chatCompletions({ url: 'http://localhost', model: 'tiny', ...options });
      } catch (error) {
        if (error instanceof TypeError) return error.message;
      }
      return 'taken';
    };
    expect(refusal({ url: 'https://host/v1?version=1', key: 'a-key' })).toBe('taken');
    for (const options of [{ key: 'secret\nkey' }, { url: 'http://me:secret@host' }, { url: 'ftp://host' }, { url: 'secret' }]) {
      expect(refusal(options)).toMatch(/^The (key|url) of a chat model (?!.*secret)/);
    }
    const call = { service: 'ai', signal: new AbortController().signal };
    const model = chatCompletions({ url: 'http://localhost', model: 'tiny', fetch: () => expect.unreachable('it was asked') });
    expect(await reasonOf(model({ messages: [] }, call))).toBe('tiny was asked without messages');
    const echo = askServer((turn) => turn.refuse(401, 'Incorrect key: a-key'), { key: 'a-key' });
    expect(await reasonOf(echo)).toBe('tiny answered 401: Incorrect key: (key)');
    const silent = [...messages, { role: 'user' }] as unknown as typeof messages;
    expect(await reasonOf(model({ messages: silent }, call))).toBe('tiny was asked without a text in messages[1]');
  });
});
