import { CotableError, isCotableError } from '../../errors.ts';
import type { Logger } from '../../ports/logger.ts';
import { MAX_FRAME_BYTES, roomNameProblem } from '../../protocol/limits.ts';
import { checkRequestKey } from '../../schema/events.ts';
import type { Session } from '../../schema/schema.ts';
import type { EngineContext } from '../backend.ts';
import type { RunDesk } from '../run-desk.ts';
import type { Policies } from '../runs/policy.ts';
import { FOR_ASKER, FOR_CALLBACKS, syncRunId, type EventInput, type EventTable, type KnownEvent } from './events.ts';
import type { FanOut } from './fan-out.ts';
import type { EventLimits } from './limits.ts';
import { failed, type Outcome } from './messages.ts';
import { asRefusal, outcomeOfEnding, type Kept } from './outcomes.ts';
import { readReturned } from './returned.ts';

/** Who asks. `session` is `null` for nobody that is known, whose `userId` is empty. */
export interface EventCaller {
  readonly userId: string;
  readonly session: Session | null;
  /** The link that it asks over. */
  readonly sessionId: string;
  readonly ip: string;
  /** Rejects with `auth.forbidden` unless it may write in the room. */
  mayAsk(): Promise<void>;
}

/** A request as it came in. */
export interface AskedEvent {
  readonly room: string;
  /** The idempotency key. */
  readonly request: string;
  readonly name: unknown;
  readonly version: unknown;
  readonly data: unknown;
  readonly ignoreSelf: boolean;
  readonly requireReceivers: boolean;
}

/** A request that is kept. */
export interface TakenEvent {
  readonly run: string;
  /** Resolves once it has ended and the events have left. Rejects with `relay.closed` alone: how it ends is not known yet. */
  readonly outcome: Promise<Outcome>;
  /** What the handler says to who asked, from the beginning on, for who is no viewer of the room. Throws as `RunDesk.read` does. */
  said(signal?: AbortSignal): AsyncIterable<unknown>;
}

/** Requests for events are runs of the engine: this asks for them, and says what a run does. */
export interface EventDoor {
  /** For the app of the rooms. */
  readonly actions: Policies;
  /** Rejects with what the request is refused with: nothing was run. */
  ask(asked: AskedEvent, caller: EventCaller): Promise<TakenEvent>;
  /** Cancels the run of a request. One that has ended, or is not there, stays as it is. */
  drop(room: string, run: string, userId: string): Promise<void>;
}

const RUN_MS = 15 * 60_000;
/** It goes in one frame, with what a per-recipient handler adds. */
const MAX_OUTPUT_BYTES = MAX_FRAME_BYTES / 2;

export function createEventDoor(options: {
  readonly table: EventTable;
  readonly fanOut: FanOut;
  readonly functions: object;
  readonly logger: Logger;
  readonly limits: EventLimits;
  readonly desk: () => RunDesk;
}): EventDoor {
  const { table, fanOut, logger } = options;
  /** By what name who asked for a run is told of it, where nobody is known. */
  const strangers = new Map<string, string>();
  /** Of runs that have sent their events, or are about to. */
  const leaving = new Map<string, Promise<void>>();
  const keyOf = (room: string, run: string): string => JSON.stringify([room, run]);

  async function permit({ event, isOpen }: KnownEvent, caller: EventCaller, room: string): Promise<void> {
    const { session } = caller;
    if (!session) {
      if (!isOpen) throw new CotableError('auth.required', {});
      return;
    }
    await caller.mayAsk();
    for (const allows of event.auth?.additional ?? []) {
      if ((await allows(session as never)) !== true) throw new CotableError('auth.forbidden', { room });
    }
  }

  async function outcomeOf(known: KnownEvent, room: string, run: string): Promise<Outcome> {
    const key = keyOf(room, run);
    try {
      const { ending } = await options.desk().end(room, run);
      await leaving.get(key);
      return ending ? outcomeOfEnding(known, ending) : failed(new CotableError('sync.serverExecutionFailed', { name: known.name }));
    } catch (error) {
      if (isCotableError(error, 'relay.closed')) throw error;
      return failed(asRefusal(known, error));
    } finally {
      strangers.delete(key);
    }
  }

  async function handle(known: KnownEvent, ctx: EngineContext, { data, ignoreSelf }: EventInput): Promise<Kept> {
    const { room, runId: run, userId } = ctx;
    const but = ignoreSelf ? { but: userId } : undefined;
    const leaves = leave(room, run);
    const { server } = known.event;
    const returned = readReturned(server ? await server(serverContext(known, ctx, data, but) as never) : { status: 'success' });
    if (!returned) throw new TypeError('its server handler returned no answer that is plain JSON');
    if (returned.status === 'error') {
      const { errorMessage, ...failure } = returned;
      logger.info({ room, run, event: known.name, errorCode: failure.errorCode, errorMessage }, 'an event was refused');
      return { failure };
    }
    const { output: result } = returned;
    if (Buffer.byteLength(JSON.stringify(result)) > MAX_OUTPUT_BYTES)
      throw new TypeError(`its server handler returned more than ${MAX_OUTPUT_BYTES} bytes`);
    const [recipientCount, deliver] = await Promise.all([
      fanOut.count(room, but?.but),
      fanOut.prepare({ known, room, run, data, output: result, ...but }, userId, () => inputOf(room, run)),
    ]);
    leaves(deliver);
    return { result, recipientCount };
  }

  async function* said(
    { event }: KnownEvent,
    room: string,
    run: string,
    caller: EventCaller,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<unknown, void, undefined> {
    if (!event.stream) return;
    for await (const news of options.desk().read({ room, run, kind: 'items' }, caller, undefined, signal)) {
      if (news.type !== 'said') continue;
      for (const [to, piece] of news.pieces as readonly (readonly [number, unknown])[]) if (to === FOR_ASKER) yield piece;
    }
  }

  async function inputOf(room: string, run: string): Promise<string> {
    const stored = await options.desk().find(room, run);
    return stored?.input ?? 'null';
  }

  function serverContext(known: KnownEvent, ctx: EngineContext, data: unknown, but: { readonly but: string } | undefined): object {
    const { room, userId, session, signal, mutate, table: read, enqueueAction } = ctx;
    const asker = (): readonly string[] => (userId === '' ? [strangers.get(keyOf(room, ctx.runId)) ?? ''] : [userId]);
    const say = fanOut.sayer(room, ctx.runId, known.action, ctx.say);
    return {
      clientInput: data,
      user: userId === '' ? null : session,
      functions: options.functions,
      roomCode: room,
      signal,
      mutate,
      table: read,
      enqueueAction,
      stream: (piece: unknown) => say([FOR_ASKER, piece], asker()),
      broadcastStream: (piece: unknown) => say([FOR_CALLBACKS, piece], but ?? 'room'),
      streamTo: (names: readonly string[], piece: unknown) => say([FOR_CALLBACKS, piece], names),
    };
  }

  /** The event leaves once the end of its run is kept, and never if it ends otherwise. The function returned says how. */
  function leave(room: string, run: string): (deliver: () => void) => void {
    const key = keyOf(room, run);
    let deliver: (() => void) | undefined;
    const left = options
      .desk()
      .end(room, run)
      .then(
        ({ ending }) => {
          const isDelivered = ending?.status === 'succeeded' && deliver !== undefined;
          fanOut.over(room, run, isDelivered);
          if (isDelivered) deliver?.();
        },
        (error: unknown) => {
          fanOut.over(room, run, false);
          logger.warn({ room, run, error }, 'an event did not leave');
        },
      )
      .finally(() => leaving.delete(key));
    leaving.set(key, left);
    return (how) => void (deliver = how);
  }

  return {
    actions: Object.fromEntries(
      table.all.map((known) => [
        known.action,
        {
          run: (ctx: EngineContext, input: never) => handle(known, ctx, input),
          cell: undefined,
          onSettled: undefined,
          // The handler runs exactly once: what a crash cut off is not begun again.
          isAtMostOnce: true,
          as: 'caller' as const,
          retry: { attempts: 1, firstDelayMs: 0, maxDelayMs: 0 },
          timeoutMs: RUN_MS,
          concurrency: undefined,
          cron: [],
        },
      ]),
    ),

    async ask({ room, request, name, version, data, ignoreSelf, requireReceivers }, caller) {
      const known = table.find(name, version);
      const problem = roomNameProblem(room);
      if (problem !== undefined) throw new CotableError('room.invalidName', { problem });
      checkRequestKey(request);
      options.limits.event(known, caller);
      const run = syncRunId(known, caller.userId, request);
      const input: EventInput = { data, ignoreSelf };
      const key = keyOf(room, run);
      const before = strangers.get(key);
      try {
        await permit(known, caller, room);
        if (requireReceivers && (await fanOut.count(room, ignoreSelf ? caller.userId : undefined)) === 0) {
          // What was asked for before, when there was somebody, is answered as it was then.
          if (!(await options.desk().find(room, run))) throw new CotableError('sync.noReceiversFound', { receiver: room });
        }
        if (!caller.session) strangers.set(key, caller.sessionId);
        await options
          .desk()
          .ask({ id: run, name: known.action, input, key: request }, { userId: caller.userId, session: caller.session ?? undefined, room });
      } catch (error) {
        if (before === undefined) strangers.delete(key);
        else strangers.set(key, before);
        if (isCotableError(error, 'action.idempotencyMismatch')) throw new CotableError(error.code, { ...error.params, name: known.name });
        const refusal = asRefusal(known, error);
        // A mistake of the app's: who asked is told no more than that.
        if (isCotableError(refusal, 'sync.serverExecutionFailed'))
          logger.error({ room, event: known.name, error }, 'an event could not be begun');
        throw refusal;
      }
      const outcome = outcomeOf(known, room, run);
      // Who asked may still be reading what is said.
      outcome.catch(() => undefined);
      return { run, outcome, said: (signal) => said(known, room, run, caller, signal) };
    },

    async drop(room, run, userId) {
      const stored = await options.desk().find(room, run);
      if (!stored || stored.ending) return;
      try {
        await options.desk().cancel(room, run, userId);
      } catch (error) {
        if (!isCotableError(error, 'run.notFound') && !isCotableError(error, 'run.terminal')) throw error;
      }
    },
  };
}
