import { CotableError, errorFromBody } from '../../src/errors.ts';
import type { Link } from '../../src/ports/transport.ts';
import { createLinkEnd, type LinkEnd } from '../link-end.ts';
import { reasonOf } from '../reason.ts';

/** What is used of a WebSocket: the browser's and that of `ws` both fit. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(message: Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: SocketEvent) => void): void;
}

/** What is used of the four events. */
interface SocketEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
}

/** A link over one WebSocket, which may be attached later than the link is made. */
export interface SocketLink {
  readonly link: Link;
  readonly end: LinkEnd;
  /** Called at most once. A socket that was attached and let go is not listened to: some deliver long after `close`. */
  attach(socket: Socket): void;
}

/** Close codes: ours says the error's code in the reason text; the others are the protocol's. */
const CLOSE_WITH_ERROR = 4000;
const CLOSE_NORMAL = 1000;
const CLOSE_TOO_LARGE = 1009;
/** As much text as fits a close frame. */
const MAX_REASON_BYTES = 123;

/** `greeted`: what an acceptor does when the other side has said who it is. */
export function createSocketLink(greeted?: () => void): SocketLink {
  const end = createLinkEnd();
  let socket: Socket | undefined;
  const link: Link = {
    get buffered() {
      return socket && end.isOpen ? socket.bufferedAmount : 0;
    },
    send(message) {
      if (end.isOpen) socket?.send(message);
    },
    close(reason) {
      if (!end.closed(reason)) return;
      if (reason) socket?.close(CLOSE_WITH_ERROR, reasonText(reason));
      else socket?.close(CLOSE_NORMAL);
    },
    ...(greeted && { greeted }),
  };
  return {
    link,
    end,
    attach(opened) {
      socket = opened;
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('open', () => end.opened());
      socket.addEventListener('message', ({ data }) => {
        // Each ArrayBuffer is of one message alone, so that this view is a copy nobody else writes to.
        if (data instanceof ArrayBuffer) end.message(new Uint8Array(data));
        else link.close(new CotableError('protocol.badFrame', { problem: 'a text message' }));
      });
      socket.addEventListener('close', ({ code, reason }) => {
        end.closed(closeReason(code, reason));
      });
      // `close` follows and says it all; but `ws` throws an error that nobody listens to.
      socket.addEventListener('error', () => undefined);
    },
  };
}

function reasonText(reason: CotableError): string {
  // Half a code would be another code: one that does not fit is left out.
  return new TextEncoder().encode(reason.code).byteLength <= MAX_REASON_BYTES ? reason.code : '';
}

function closeReason(code: number | undefined, text: string | undefined): CotableError | undefined {
  if (code === CLOSE_TOO_LARGE) return errorFromBody({ errorCode: 'protocol.frameTooLarge', errorParams: {} });
  return code === CLOSE_WITH_ERROR ? reasonOf(text) : undefined;
}
