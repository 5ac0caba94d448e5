import { CotableError } from '../../src/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Acceptor, Link } from '../../src/ports/transport.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { createLinkEnd, type LinkEnd } from '../link-end.ts';
import { reasonOf } from '../reason.ts';
import { watchSilence } from '../silence.ts';
import { createDownstream } from './downstream.ts';
import { BATCH_BYTES, BATCH_HEADER, LINK_HEADER, toCharacters, unpackBatch } from './framing.ts';

export interface HttpAcceptorOptions {
  /** The pages that may connect, as for WebSockets. Left out: any page. */
  readonly origins?: readonly string[];
  /** A longer message closes its link with `protocol.frameTooLarge`; so does a body that is longer than any with such messages. Default: 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Who sends more than this before `greeted` of its link is called is cut off with `protocol.frameTooLarge`. Left out: no limit. */
  readonly maxStrangerBytes?: number;
  /** How long a link may bring nothing before it is asked for a sign of life. Default: 25 s. */
  readonly pingMs?: number;
  /** How long it has for that before it is dropped with `protocol.timeout`. Default: 20 s. */
  readonly pongMs?: number;
  readonly clock: Clock;
}

/** Where a request comes from. */
export interface HttpOrigin {
  readonly ip: string;
  /** Drops its connection. */
  readonly cut: () => void;
}

export interface HttpAcceptor extends Acceptor {
  /** Answers the requests of links: GET opens one, POST brings its messages. */
  fetch(request: Request, origin: HttpOrigin): Promise<Response>;
  /** Resolves when the last words of links that are closed have left, or after `ms`. */
  flushed(ms: number): Promise<void>;
}

/** A peer that does not take the last words holds its buffers no longer than this. */
const CLOSE_MS = 10_000;

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Whatever is on the way must hand on each event as it comes.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

interface OpenLink {
  readonly link: Link;
  readonly end: LinkEnd;
  readonly heard: () => void;
  /** How many bytes it may still send as a stranger. */
  allowance: number;
  /** The number of the last batch that was taken. */
  batch: number;
}

export function httpAcceptor(options: HttpAcceptorOptions): HttpAcceptor {
  const { clock, origins, maxMessageBytes = 1024 * 1024, maxStrangerBytes = Infinity } = options;
  const links = new Map<string, OpenLink>();
  const leaving = new Set<Promise<void>>();
  let accept: Parameters<Acceptor['start']>[0] | undefined;

  function open(request: Request, { ip, cut }: HttpOrigin): Response {
    if (!accept) throw new CotableError('relay.closed', {});
    const name = crypto.randomUUID();
    const end = createLinkEnd();
    const down = createDownstream(() => {
      links.delete(name);
      silence.end();
      end.closed();
    });
    const silence = watchSilence(
      options,
      () => down.event('ping', '-'),
      (ms) => link.close(new CotableError('protocol.timeout', { ms })),
    );
    let sent = 0;
    const link: Link = {
      get buffered() {
        return end.isOpen ? down.buffered : 0;
      },
      send(message) {
        if (end.isOpen) down.message(++sent, toCharacters(message));
      },
      close(reason) {
        if (!end.closed(reason)) return;
        links.delete(name);
        silence.end();
        down.event('close', reason?.code ?? '');
        const cancel = clock.after(CLOSE_MS, () => {
          down.broken();
          cut();
        });
        const left = down.finish().finally(() => {
          cancel();
          leaving.delete(left);
        });
        leaving.add(left);
      },
      greeted: () => void (state.allowance = Infinity),
    };
    const state: OpenLink = { link, end, heard: silence.heard, allowance: maxStrangerBytes, batch: 0 };
    links.set(name, state);
    request.signal.addEventListener('abort', down.broken);
    const headers: Record<string, string> = Object.fromEntries(request.headers);
    const events = accept(link, { ip, headers });
    if (!end.isClosed) down.event('open', name);
    end.listen(events);
    end.opened();
    return new Response(down.stream, { headers: SSE_HEADERS });
  }

  async function bring(request: Request): Promise<Response> {
    const state = links.get(request.headers.get(LINK_HEADER) ?? '');
    if (!state) throw new CotableError('request.unknownLink', {});
    const body = await read(request, state);
    const number = Number(request.headers.get(BATCH_HEADER));
    state.heard();
    // It has come before, and the answer was lost.
    if (number <= state.batch) return new Response(null, { status: 204 });
    const batch = number === state.batch + 1 ? unpackBatch(body) : undefined;
    if (!batch) throw refuse(state, new CotableError('protocol.badFrame', { problem: `batch ${number} after ${state.batch}` }));
    const long = batch.messages.find(({ length }) => length > maxMessageBytes);
    if (long) throw refuse(state, new CotableError('protocol.frameTooLarge', { bytes: long.length, limit: maxMessageBytes }));
    state.batch = number;
    for (const message of batch.messages) state.end.message(message);
    if (batch.reason !== undefined) state.link.close(reasonOf(batch.reason));
    return new Response(null, { status: 204 });
  }

  /** Counts bytes as they come in: too much of a stranger is never in memory. */
  async function read(request: Request, state: OpenLink): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    const limit = Math.min(state.allowance, maxMessageBytes + BATCH_BYTES);
    const reader = request.body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      bytes += part.value.length;
      state.allowance -= part.value.length;
      if (bytes > limit || state.allowance < 0) {
        void reader?.cancel().catch(() => undefined);
        throw refuse(state, new CotableError('protocol.frameTooLarge', { bytes, limit }));
      }
      parts.push(part.value);
    }
    return concatBytes(parts);
  }

  function refuse({ link }: OpenLink, error: CotableError): CotableError {
    link.close(error);
    return error;
  }

  function isWelcome({ headers }: Request): boolean {
    const origin = headers.get('origin');
    return !origins || !origin || origins.includes(origin);
  }

  return {
    start(take) {
      accept = take;
    },
    stop() {
      accept = undefined;
    },
    async fetch(request, origin) {
      try {
        if (!isWelcome(request)) throw new CotableError('request.originRefused', { origin: request.headers.get('origin') ?? '' });
        return request.method === 'GET' ? open(request, origin) : await bring(request);
      } catch (error) {
        if (!(error instanceof CotableError)) throw error;
        return Response.json(error.toJSON(), { status: error.httpStatus });
      }
    },
    async flushed(ms) {
      let cancel = (): void => undefined;
      const late = new Promise<void>((resolve) => (cancel = clock.after(ms, resolve)));
      await Promise.race([Promise.all(leaving), late]);
      cancel();
    },
  };
}
