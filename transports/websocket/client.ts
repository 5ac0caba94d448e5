import { isCotableError, type CotableError } from '../../src/errors.ts';
import type { Transport } from '../../src/ports/transport.ts';
import { watchOnline } from '../online.ts';
import { createSocketLink, type Socket } from './socket-link.ts';

/** A WebSocket class: the browser's, or that of the package `ws`. */
export type WebSocketConstructor = new (url: string) => Socket;

/**
 * Reaches a relay over WebSockets, one per link.
 *
 * `url` may be relative to the page and may begin with `http`. A function is asked before each link; when it throws, the
 * link is `closed`, with the reason if that is an error of Cotable's.
 *
 * `options.WebSocket` is needed where there is no global one (Node below 22): `import { WebSocket } from 'ws'`.
 *
 * A reason given to `close` travels as its code; its params stay behind. Throws a `TypeError` for a `url` that is none.
 */
export function webSocket(
  url: string | (() => string | Promise<string>),
  options: { readonly WebSocket?: WebSocketConstructor } = {},
): Transport {
  const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  if (!WebSocket) throw new TypeError("There is no WebSocket here: give { WebSocket } from the package 'ws' as an option");
  const fixed = typeof url === 'string' ? toSocketUrl(url) : undefined;
  const ask = async (): Promise<string> => (typeof url === 'string' ? (fixed ?? url) : toSocketUrl(await url()));

  return {
    connect(events) {
      const { link, end, attach } = createSocketLink();
      end.listen(events);
      void ask().then(
        (address) => {
          if (end.isClosed) return;
          try {
            attach(new WebSocket(address));
          } catch {
            // Some addresses only the constructor refuses, such as ws: from a page of https:.
            end.closed();
          }
        },
        (error: unknown) => end.closed(isCotableError(error) ? (error as CotableError) : undefined),
      );
      return link;
    },
    available: watchOnline,
  };
}

/** Older browsers take neither relative addresses nor `http`. */
function toSocketUrl(url: string): string {
  return new URL(url, globalThis.location?.href).href.replace(/^http/, 'ws');
}
