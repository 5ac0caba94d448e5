import { EventSourceParserStream } from 'eventsource-parser/stream';

/**
 * The text of an answer in pieces, however its bytes are cut; one that is not streamed is one piece. Throws an `Error` whose
 * message continues the name of the model when the answer breaks off, says an error, or cannot be read.
 */
export async function* readAnswer(response: Response): AsyncGenerator<string, void, undefined> {
  if (!response.body) throw new Error('answered nothing');
  const isStreamed = !/json/i.test(response.headers.get('content-type') ?? '');
  if (!isStreamed) {
    const piece = textIn(parse(await response.text().catch(breakOff)), 'message');
    if (piece === undefined) throw new Error('sent something unreadable');
    if (piece) yield piece;
    return;
  }
  let isOver = false;
  for await (const data of eventsOf(response.body)) {
    if (data === '[DONE]') return;
    const chunk = parse(data);
    const piece = textIn(chunk, 'delta');
    if (piece) yield piece;
    if (at(chunk, 'choices', 0, 'finish_reason')) isOver = true;
  }
  if (!isOver) throw new Error('stopped in the middle');
}

/** Why an endpoint that did not answer with a 2xx did so, in its own words. */
export async function refusalOf(response: Response): Promise<string> {
  let body: unknown;
  try {
    body = JSON.parse(await response.text());
  } catch {
    // A proxy may have refused, in HTML, or the text broke off: the status says more.
  }
  return errorIn(body) ?? (response.statusText || 'no reason given');
}

/** What an error says. That of `fetch` itself is "fetch failed", or "terminated": what happened is its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  // Of a host with several addresses the cause has no message, but a code.
  return cause.message || ('code' in cause ? String(cause.code) : error.message);
}

async function* eventsOf(body: NonNullable<Response['body']>): AsyncGenerator<string, void, undefined> {
  try {
    for await (const { data } of body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) yield data;
  } catch (error) {
    breakOff(error);
  }
}

function breakOff(cause: unknown): never {
  throw new Error(`stopped in the middle: ${reasonOf(cause)}`, { cause });
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw new Error('sent something unreadable', { cause });
  }
}

/** What a part of an answer says; `undefined` when it says nothing. Throws when it says that something went wrong. */
function textIn(part: unknown, kind: 'delta' | 'message'): string | undefined {
  const error = errorIn(part);
  if (error !== undefined) throw new Error(`failed: ${error}`);
  const content = at(part, 'choices', 0, kind, 'content') ?? undefined;
  if (content !== undefined && typeof content !== 'string') throw new Error('sent something unreadable');
  return content;
}

/** The error in a body; endpoints disagree on its shape. */
function errorIn(body: unknown): string | undefined {
  const error = at(body, 'error');
  const message = at(error, 'message') ?? error ?? undefined;
  return message === undefined || typeof message === 'string' ? message : JSON.stringify(message);
}

/** What lies at a path of a value from outside, where there is something. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce((found, key) => (typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined), value);
}
