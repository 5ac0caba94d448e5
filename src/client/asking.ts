import { CotableError, errorFromBody, isCotableError, type ErrorBody } from '../errors.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How the relay is asked, for one flow. */
export interface Asking {
  /**
   * Asks, and rejects with the code of a refusal. What did not get through rejects with `request.unanswered`, and what says
   * that it may pass with its code: both may be tried again.
   */
  fetch(method: string, path: string, init: RequestInit): Promise<Response>;
  /**
   * Does something until it `isDone`, with longer and longer pauses for as long as nothing is `heard` in between. Rejects with a
   * refusal that will not pass, with the reason of the signal, and after so many `tries` with what the last one failed with.
   */
  patiently(
    work: (heard: () => void) => Promise<void>,
    isDone: () => boolean,
    options: { readonly signal: AbortSignal | undefined; readonly tries?: number },
  ): Promise<void>;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

export function createAsking(options: {
  /** That of the flow. */
  readonly url: string;
  readonly userId: string | undefined;
  readonly token: (() => string | Promise<string>) | undefined;
  readonly fetch: Fetch;
}): Asking {
  const { url, userId, token } = options;

  async function ask(method: string, path: string, init: RequestInit): Promise<Response> {
    const shown = await token?.();
    const headers = { ...init.headers, ...(shown && { authorization: `Bearer ${shown}` }) };
    const query = userId === undefined || method !== 'GET' ? '' : `?userId=${encodeURIComponent(userId)}`;
    let response: Response;
    try {
      response = await options.fetch(`${url}${path}${query}`, { ...init, method, headers, cache: 'no-store' });
    } catch (error) {
      init.signal?.throwIfAborted();
      throw new CotableError('request.unanswered', {}, { cause: error });
    }
    if (response.ok) return response;
    const body: unknown = await response.json().catch(() => undefined);
    throw isErrorBody(body) ? errorFromBody(body) : new CotableError('request.unanswered', {}, { cause: response });
  }

  return {
    fetch: ask,
    async patiently(work, isDone, { signal, tries = Infinity }) {
      let pause = FIRST_PAUSE_MS;
      for (let tried = 1; ; tried++) {
        try {
          await work(() => (pause = FIRST_PAUSE_MS));
        } catch (error) {
          signal?.throwIfAborted();
          // A connection that breaks off in the middle has no code.
          if (tried >= tries || (isCotableError(error) && !mayPass(error))) throw error;
        }
        if (isDone()) return;
        await sleep(pause * (0.5 + Math.random() / 2), signal);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    },
  };
}

function mayPass({ httpStatus }: { readonly httpStatus: number }): boolean {
  return httpStatus >= 500;
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}

function isErrorBody(body: unknown): body is ErrorBody {
  return typeof body === 'object' && body !== null && 'errorCode' in body && 'errorParams' in body;
}
