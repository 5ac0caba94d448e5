import { createParser } from 'eventsource-parser';
import { isCotableError, type CotableError } from '../../src/errors.ts';
import type { Transport } from '../../src/ports/transport.ts';
import { realClock } from '../../src/util/real-clock.ts';
import { createLinkEnd } from '../link-end.ts';
import { watchOnline } from '../online.ts';
import { reasonOf } from '../reason.ts';
import { BATCH_BYTES, BATCH_HEADER, fromCharacters, LENGTH_BYTES, LINK_HEADER, packBatch } from './framing.ts';

/** A request that did not get through is made again after these pauses. */
const RETRY_MS = [250, 1_000, 4_000];
/** The last words of a link have so long to leave. */
const LAST_WORDS_MS = 5_000;

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * Reaches a relay over plain HTTP, where WebSockets are blocked: one response that stays open brings messages down, and
 * requests bring them up, one at a time.
 *
 * `url` is where the relay's routes lie, `https://relay.example` or `/relay`; it may be relative to the page and may begin
 * with `ws`. A function is asked before each link; when it throws, the link is `closed`, with the reason if that is an
 * error of Cotable's. `options.fetch`: takes the place of the global one, to send cookies to another origin, say.
 *
 * A browser allows one origin six connections over HTTP/1.1, and each link holds one: speak HTTP/2 where people open many
 * tabs. A reason given to `close` travels as its code; its params stay behind. Throws a `TypeError` for a `url` that is none.
 */
export function http(url: string | (() => string | Promise<string>), options: { readonly fetch?: Fetch } = {}): Transport {
  const fixed = typeof url === 'string' ? toLinkUrl(url) : undefined;
  const ask = async (): Promise<string> => (typeof url === 'string' ? (fixed ?? url) : toLinkUrl(await url()));
  const send: Fetch = options.fetch ?? ((address, init) => fetch(address, init));
  return {
    connect(events) {
      const end = createLinkEnd();
      end.listen(events);
      const clock = realClock();
      /** Aborted when nothing of the link is wanted any more. */
      const life = new AbortController();
      const queue: Uint8Array[] = [];
      let address = '';
      let name = '';
      let received = 0;
      let batch = 0;
      let buffered = 0;
      let isSending = false;
      let isAsked = false;
      /** The last words: a code, or nothing. */
      let farewell: string | undefined;

      function closed(reason?: CotableError): void {
        end.closed(reason);
        life.abort();
      }

      async function open(): Promise<void> {
        address = await ask();
        if (end.isClosed) return;
        const headers = { accept: 'text/event-stream' };
        const response = await send(address, { headers, cache: 'no-store', signal: life.signal }).catch(() => undefined);
        if (!response?.ok || !response.body) return closed(await refusalOf(response));
        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        const parser = createParser({ onEvent: ({ id, event, data }) => hear(event, data, id) });
        for (;;) {
          const part = await reader.read().catch(() => undefined);
          if (!part || part.done) return closed();
          parser.feed(decoder.decode(part.value, { stream: true }));
        }
      }

      function hear(event: string | undefined, data: string, id: string | undefined): void {
        if (event === 'open') {
          name = data;
          end.opened();
        } else if (event === 'ping') {
          isAsked = true;
          void pump();
        } else if (event === 'close') closed(reasonOf(data));
        // Something on the way has lost a message.
        else if (Number(id) !== ++received) closed();
        else end.message(fromCharacters(data));
      }

      async function pump(): Promise<void> {
        if (isSending || !name || (queue.length === 0 && !isAsked && farewell === undefined)) return;
        isSending = true;
        isAsked = false;
        const messages: Uint8Array[] = [];
        let bytes = 0;
        for (let next = queue[0]; next && (bytes === 0 || bytes + LENGTH_BYTES + next.length <= BATCH_BYTES); next = queue[0]) {
          messages.push(next);
          bytes += LENGTH_BYTES + next.length;
          queue.shift();
        }
        const isLast = farewell !== undefined && queue.length === 0;
        const failure = await post(packBatch(messages, isLast ? farewell : undefined));
        buffered -= bytes - messages.length * LENGTH_BYTES;
        isSending = false;
        if (failure) return closed(failure.reason);
        if (isLast) return life.abort();
        return pump();
      }

      /** Brings one batch, over and over: the relay knows by its number whether it has it. What is returned closes the link. */
      async function post(body: Uint8Array<ArrayBuffer>): Promise<{ readonly reason: CotableError | undefined } | undefined> {
        batch += 1;
        const headers = { 'content-type': 'application/octet-stream', [LINK_HEADER]: name, [BATCH_HEADER]: String(batch) };
        for (let tries = 0; ; tries++) {
          const response = await send(address, { method: 'POST', headers, body, signal: life.signal }).catch(() => undefined);
          if (response?.ok) return undefined;
          const pause = RETRY_MS[tries];
          const mayPass = !response || response.status >= 500;
          if (!mayPass || pause === undefined || life.signal.aborted) return { reason: await refusalOf(response) };
          await new Promise<void>((resolve) => clock.after(pause, resolve));
        }
      }

      open().catch((error: unknown) => closed(isCotableError(error) ? (error as CotableError) : undefined));
      return {
        get buffered() {
          return end.isOpen ? buffered : 0;
        },
        send(message) {
          if (!end.isOpen) return;
          queue.push(message);
          buffered += message.length;
          void pump();
        },
        close(reason) {
          if (!end.closed(reason)) return;
          if (!name) return life.abort();
          farewell = reason?.code ?? '';
          const cancel = clock.after(LAST_WORDS_MS, () => life.abort());
          life.signal.addEventListener('abort', cancel);
          void pump();
        },
      };
    },
    available: watchOnline,
  };
}

/** Why the relay answers with no: its words, where they are a relay's. */
async function refusalOf(response: Response | undefined): Promise<CotableError | undefined> {
  const body: unknown = await response?.json().catch(() => undefined);
  return typeof body === 'object' && body !== null && 'errorCode' in body ? reasonOf(body.errorCode) : undefined;
}

function toLinkUrl(url: string): string {
  const link = new URL(url, globalThis.location?.href);
  link.protocol = link.protocol.replace(/^ws/, 'http');
  link.pathname = `${link.pathname.replace(/\/$/, '')}/link`;
  return link.href;
}
