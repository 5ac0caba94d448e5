import { CotableError } from '../../src/errors.ts';
import { readAnswer, reasonOf, refusalOf } from './chat-answer.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/**
 * An answer on its way: the pieces of its text, each when the model has said it. It can be read once, by a loop or by
 * `text()`; leaving the loop closes the connection, and one that nobody reads is closed after `timeoutMs`. What fails on the
 * way is thrown where it is read: `platform.failed`.
 */
export interface ChatAnswer extends AsyncIterable<string> {
  /** All that has not been read yet, when the answer has ended. */
  text(): Promise<string>;
}

export interface ChatCompletionsOptions {
  /** Where `/chat/completions` lies, as `https://api.openai.com/v1`. */
  readonly url: string;
  /** The bearer token of each request. Left out or empty: there is none. */
  readonly key?: string | undefined;
  readonly model: string;
  /** What else each request says, as `{ temperature: 0 }`. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** An answer that has not ended after so many milliseconds is given up. Default: 120,000. */
  readonly timeoutMs?: number;
  /** What makes the requests. Default: the global one. */
  readonly fetch?: typeof fetch;
}

/** A chat model, as a capability of a platform. */
export type ChatCompletions = (
  input: { readonly messages: readonly ChatMessage[] },
  call: { readonly service: string; readonly signal: AbortSignal },
) => Promise<ChatAnswer>;

/**
 * A chat model behind an endpoint that speaks OpenAI's chat completions, for `definePlatform({ ai: chatCompletions(...) })`.
 * Throws a `TypeError` for a `url` or a `key` that no request can be made with. An action asks with
 * `ctx.platform.call('ai', { messages })`, which resolves when the endpoint begins to answer. It is asked to stream; one that
 * answers as a whole gives one piece.
 *
 * Rejects with `platform.failed`, whose `reason` says what happened: the messages are none, the endpoint cannot be reached,
 * refuses, breaks off, sends what cannot be read, or takes longer than `timeoutMs`. When the signal of the call is aborted,
 * so is the request, with the reason of the signal. Nothing is tried again here; a run is, as its policy says, unless the
 * endpoint refused what no repetition mends (a status from 400 on but 408, 409, 425, 429), and not before the time that it
 * named in `Retry-After`. An answer that the model cut short at a limit of its own has ended.
 */
export function chatCompletions(options: ChatCompletionsOptions): ChatCompletions {
  const { key, model, parameters, timeoutMs = 120_000, fetch: request = fetch } = options;
  const url = endpointOf(options.url);
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream', ...authorizationOf(key) };

  return async ({ messages }, { service, signal }) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const failure = (cause: Error): unknown => {
      if (signal.aborted) return signal.reason;
      const reason = timeout.aborted ? `has not answered within ${timeoutMs / 1000} s` : cause.message;
      // Some endpoints repeat a key that they refuse, and the reason travels to whoever asked for the run.
      const told = key ? reason.replaceAll(key, '(key)') : reason;
      return new CotableError('platform.failed', { service, reason: `${model} ${told}` }, { cause });
    };
    try {
      const body = JSON.stringify({ ...parameters, model, stream: true, messages: messagesOf(messages) });
      const either = AbortSignal.any([signal, timeout]);
      const response = await request(url, { method: 'POST', headers, body, signal: either }).catch((cause: unknown) => {
        throw new Error(`cannot be reached: ${reasonOf(cause)}`, { cause });
      });
      if (!response.ok) throw Object.assign(new Error(`answered ${response.status}: ${await refusalOf(response)}`), againOf(response));
      return answerOf(readAnswer(response), failure);
    } catch (error) {
      throw failure(error as Error);
    }
  };
}

/** Statuses below 500 that pass. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** What a refusal says about asking again, for whoever decides on that. */
function againOf({ status, headers }: Response): { readonly retryable: boolean; readonly retryAfterMs?: number } {
  const retryable = status >= 500 || PASSING.has(status);
  const text = headers.get('retry-after');
  // Seconds or a date: RFC 9110, 10.2.3.
  const ms = text === null ? Number.NaN : /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? { retryable, retryAfterMs: ms } : { retryable };
}

function answerOf(pieces: AsyncIterable<string>, failure: (cause: Error) => unknown): ChatAnswer {
  async function* read(): AsyncGenerator<string, void, undefined> {
    try {
      yield* pieces;
    } catch (error) {
      throw failure(error as Error);
    }
  }
  const unread = read();
  return {
    [Symbol.asyncIterator]: () => unread,
    async text() {
      let text = '';
      for await (const piece of unread) text += piece;
      return text;
    },
  };
}

// Neither sentence says the value: it may hold a secret, which `fetch` would put into what it throws.
function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new TypeError('The url of a chat model begins with http:// or https:// and names no user');
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`;
  return url;
}

function authorizationOf(key: string | undefined): { readonly authorization?: string } {
  if (!key) return {};
  if (!/^[\x21-\x7e]+$/.test(key)) throw new TypeError('The key of a chat model has characters that no header can carry');
  return { authorization: `Bearer ${key}` };
}

/** Copies: what else lies in a message, as in a row of a table, is nobody's business. */
function messagesOf(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) throw wrong('was asked without messages');
  return messages.map(({ role, content }: ChatMessage, index) => {
    if (!['system', 'user', 'assistant'].includes(role)) throw wrong(`was asked with an unknown role in messages[${index}]`);
    if (typeof content !== 'string') throw wrong(`was asked without a text in messages[${index}]`);
    return { role, content };
  });
}

/** No repetition mends what was asked. */
function wrong(problem: string): Error {
  return Object.assign(new Error(problem), { retryable: false });
}
