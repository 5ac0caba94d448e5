import { asCotableError, CotableError, isCotableError } from '../../errors.ts';
import { catalogue } from '../../catalogue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { MAX_FRAME_BYTES } from '../../protocol/limits.ts';
import type { Session } from '../../schema/schema.ts';
import type { OpenRoom } from '../open-room.ts';
import { FOR_CALLBACKS, type KnownEvent } from './events.ts';
import { readReturned } from './returned.ts';

/** A session that gets the events of a room. */
export interface Listener {
  readonly userId: string;
  readonly sessionId: string;
  /** As it is now: a fresh token may bring another. */
  readonly session: Session | undefined;
  /** A message made once for many; it comes behind what was streamed to the session before. */
  send(message: Uint8Array): void;
}

/** An event that is on its way to a room. */
export interface RoomEvent {
  readonly known: KnownEvent;
  readonly room: string;
  readonly run: string;
  /** The user whose sessions do not get it; left out: nobody. */
  readonly but?: string;
  /** `data` of the request, as the validator gives it. */
  readonly data: unknown;
  /** What `server` returned, without `status`. */
  readonly output: unknown;
}

/** What a listener gets, made for it. */
export interface Delivery {
  readonly listener: Listener;
  /** JSON text. */
  readonly clientOutput: string;
}

/** Half of a frame: the rest is for what the server handler returned. */
const MAX_OUTPUT_BYTES = MAX_FRAME_BYTES / 2 - 4096;
/** A recipient's handler that takes longer has failed. */
const RECIPIENT_MS = 30_000;
/** After so many the rest of the process has its turn. */
const YIELD_EVERY = 100;

/** Runs the per-recipient handler for each listener. Resolves with what each gets; those for whom it failed or refused are left out. */
export async function runRecipients(
  event: RoomEvent,
  listeners: readonly Listener[],
  around: { readonly place: OpenRoom; readonly functions: object; readonly clock: Clock; readonly logger: Logger },
): Promise<readonly Delivery[]> {
  const { clock } = around;
  const running: Promise<Delivery | undefined>[] = [];
  for (const listener of listeners) {
    running.push(runRecipient(event, listener, around));
    if (running.length % YIELD_EVERY === 0) await new Promise<void>((resolve) => clock.after(0, resolve));
  }
  return (await Promise.all(running)).filter((delivery) => delivery !== undefined);
}

async function runRecipient(
  { known, room, run, data, output }: RoomEvent,
  listener: Listener,
  { place, functions, clock, logger }: Parameters<typeof runRecipients>[2],
): Promise<Delivery | undefined> {
  const { sessionId: token } = listener;
  const { name } = known;
  // A stream of its own: what is said to one recipient is nobody else's.
  const id = `${run}~${token}`;
  const stream = place.streams.of(id, known.recipientStream);
  let begun = false;
  let isOver = false;
  const say = (piece: unknown): void => {
    if (isOver) throw new CotableError('run.fenced', {});
    if (!begun) stream.begin(1, undefined);
    begun = true;
    stream.say([FOR_CALLBACKS, piece], [token]);
  };
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(RECIPIENT_MS, () => reject(new TypeError(`it took longer than ${RECIPIENT_MS} ms`)));
  });
  late.catch(() => undefined);
  try {
    const ctx = { clientInput: data, serverOutput: output, token, functions, roomCode: room, stream: say };
    const answered = (async () => known.event.recipient?.(ctx as never))();
    const returned = readReturned(await Promise.race([answered, late]));
    if (!returned) throw new CotableError('sync.invalidClientResponse', { name });
    if (returned.status === 'error') throw new CotableError('sync.clientRejected', { name, reason: returned.errorCode });
    const clientOutput = JSON.stringify(returned.output);
    if (Buffer.byteLength(clientOutput) > MAX_OUTPUT_BYTES) throw new CotableError('sync.invalidClientResponse', { name });
    return { listener, clientOutput };
  } catch (error) {
    const problem = problemOf(name, error);
    const { code, params } = problem;
    const fields = { room, run, sessionId: token, code, params, error: problem.cause };
    // To refuse is what it may be there for.
    logger[code === 'sync.clientRejected' ? 'info' : 'warn'](fields, 'an event does not reach a recipient');
    return undefined;
  } finally {
    cancel();
    isOver = true;
    if (begun) place.streams.finish(id);
  }
}

function problemOf(name: string, error: unknown): CotableError {
  if (isCotableError(error) && /^sync\.(clientRejected|invalidClientResponse)$/.test(error.code)) return error as CotableError;
  // What an app refuses with is of its own; what Cotable throws, the handler has run into.
  if (isCotableError(error) && !Object.hasOwn(catalogue, error.code)) {
    return new CotableError('sync.clientRejected', { name, reason: (error as CotableError).code });
  }
  const { message: reason } = asCotableError(error, (text) => new CotableError<string>(text, {}));
  return new CotableError('sync.clientExecutionFailed', { name, reason }, { cause: error });
}
