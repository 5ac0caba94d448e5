import { CotableError } from 'cotable';
import type { TestProject } from 'vitest/node';
import { webSocketSetup } from '../conformance/websocket-setup.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where pages find a WebSocket acceptor that sends each message back. */
    echoUrl: string;
    /** Where nobody listens. */
    silentUrl: string;
  }
}

/** A message of this one byte makes the relay close the link with `auth.required`. */
const CLOSE = 255;
/** A message of this one byte is answered with the code of the reason that the last link was closed with. */
const LAST_REASON = 254;

/** Starts the echo before the tests of a browser; what it returns ends it after them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { acceptor, url, unreachableUrl, close } = await webSocketSetup();
  let lastReason = '';
  acceptor.start((link) => ({
    opened: () => undefined,
    message(message) {
      const order = message.length === 1 ? message[0] : undefined;
      if (order === CLOSE) link.close(new CotableError('auth.required', {}));
      else link.send(order === LAST_REASON ? new TextEncoder().encode(lastReason) : message);
    },
    closed(reason) {
      lastReason = reason?.code ?? '';
    },
  }));
  project.provide('echoUrl', url);
  project.provide('silentUrl', unreachableUrl);
  return close;
}
