import { CotableError, errorFromBody } from '../errors.ts';
import { isLastEvent, type FlowEvent, type FlowRequest } from '../flows/events.ts';
import { createDeferred } from '../util/deferred.ts';
import type { Asking } from './asking.ts';

/**
 * A request that was sent. Iterate it for its events, from the first to the last one, as often as you like: they are read once,
 * from the moment somebody looks, and the reading goes on by itself after a loss. Iterating and `result` reject with what ends
 * the reading: the reason of the signal, or a refusal of the relay's.
 */
export interface FlowRun<Out = unknown> extends AsyncIterable<FlowEvent<Out>> {
  readonly requestId: string;
  readonly sessionId: string;
  readonly request: FlowRequest;
  /** What the action returned. Rejects with the error of a request that failed, and with `run.canceled`. */
  readonly result: Promise<Out>;
  /** Ends the request. Rejects with `run.terminal` when it has ended. */
  cancel(): Promise<void>;
}

const DATA = 'data: ';

export function createFlowRun<Out>(asking: Asking, request: FlowRequest, signal: AbortSignal | undefined): FlowRun<Out> {
  const path = `/requests/${request.id}`;
  const events: FlowEvent<Out>[] = [];
  const result = createDeferred<Out>();
  let waiting = createDeferred<void>();
  let isRead = false;
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;

  function take(event: FlowEvent<Out>): void {
    events.push(event);
    if (isLastEvent(event)) {
      isOver = true;
      if (event.type === 'request.completed') result.resolve(event.result);
      else result.reject(event.type === 'request.failed' ? errorFromBody(event.error) : new CotableError('run.canceled', {}));
    }
    waiting.resolve();
    waiting = createDeferred();
  }

  /** One answer, as far as it goes. */
  async function readOn(heard: () => void): Promise<void> {
    const last = events.at(-1)?.id;
    const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) };
    const { body } = await asking.fetch('GET', `${path}/stream`, { headers, signal });
    const reader = body?.getReader();
    const decoder = new TextDecoder();
    let line = '';
    for (let part = await reader?.read(); part && !part.done && !isOver; part = await reader?.read()) {
      const lines = (line + decoder.decode(part.value, { stream: true })).split('\n');
      line = lines.pop() ?? '';
      // A relay says each event in one line of data, with its id and type in it too.
      for (const whole of lines) {
        if (!whole.startsWith(DATA) || isOver) continue;
        heard();
        take(JSON.parse(whole.slice(DATA.length)) as FlowEvent<Out>);
      }
    }
    await reader?.cancel();
  }

  async function read(): Promise<void> {
    try {
      await asking.patiently(readOn, () => isOver, { signal });
    } catch (error) {
      failure = { error };
      result.reject(error);
      waiting.resolve();
    }
  }

  function begin(): void {
    if (isRead) return;
    isRead = true;
    void read();
  }

  return {
    requestId: request.id,
    sessionId: request.sessionId,
    request,
    get result() {
      begin();
      return result.promise;
    },
    async cancel() {
      await asking.fetch('POST', `${path}/abort`, {});
    },
    async *[Symbol.asyncIterator]() {
      begin();
      for (let at = 0; ;) {
        const event = events[at];
        if (event) {
          at += 1;
          yield event;
        } else if (failure) throw failure.error;
        else if (isOver) return;
        else await waiting.promise;
      }
    },
  };
}
