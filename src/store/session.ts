import { CotableError, errorOf } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import { FIRST_PICKED_WRITER } from '../ports/writer-ids.ts';
import type { OutcomeFrame, RelayFrame, WelcomeFrame } from '../protocol/frames.ts';
import { createDeferred } from '../util/deferred.ts';
import { createSerial } from '../util/serial.ts';
import { createCatchUp } from './catch-up.ts';
import type { StoreLink } from './store-wire.ts';
import { ceilingOf, greet, type Conversation } from './conversation.ts';
import type { Core } from './core.ts';
import type { Identity } from './identity.ts';
import { judge, mustReplay } from './judging.ts';
import type { PendingMutation } from './replica.ts';
import type { Runs } from './runs.ts';
import type { Asked } from './waiting-calls.ts';
import { sendQueue } from './sending.ts';
import { askForStreams } from './stream-asking.ts';

/** What a session tells of itself. */
export interface SessionEvents {
  /** The store is level with the relay. */
  level(): void;
  /** The relay does what this store wants of it: it has judged a mutation, or there is none to judge. */
  heard(): void;
  /** Something failed that no reconnect mends by itself. */
  failed(error: CotableError): void;
}

/**
 * The store's half of the protocol: greets on every new link, catches up, goes the road back where it must, then sends
 * what is pending, in order, each mutation once per link.
 */
export interface Session {
  opened(link: StoreLink): void;
  frame(frame: RelayFrame, link: StoreLink): void;
  /** The link is gone. */
  lost(): void;
  /** The store is being closed, and nothing is made any more: gives the leased writer back, if nothing can come of it any more. */
  leave(): void;
  /** A mutation or call was made: it is to be sent after those before it. */
  made(item: PendingMutation | Asked): void;
  /** What the relay calls the present link. */
  readonly sessionId: string | undefined;
  /** Whether it went out over the present link. */
  isSent(id: string): boolean;
  /** There may be something to send. */
  pump(): void;
  /**
   * What is pending runs again, on a new link: as it is on disk, with `adopted` taken over from other tabs. Left out: only
   * if it has to. Resolves when that is done.
   */
  renew(adopted?: ReadonlySet<string>): Promise<void>;
}

export function createSession(
  core: Core,
  runs: Pick<Runs, 'unfinished' | 'isUnheard' | 'hear'>,
  identity: Pick<Identity, 'claim' | 'welcomed' | 'granted'> & { readonly token: () => Promise<string> },
  events: SessionEvents,
): Session {
  let current: Conversation | undefined;
  const catchUp = createCatchUp(core, { caughtUp, heard: events.heard, pump });
  const serial = createSerial((error) => {
    const reason =
      error instanceof CotableError ? error : new CotableError('protocol.badFrame', { problem: String(error) }, { cause: error });
    events.failed(reason);
    current?.link.close(reason);
  });

  function begin(link: StoreLink, token: string): void {
    if (!link.isClosed) current = greet(core, link, { userId: identity.claim(), token, wantsSnapshot: catchUp.wantsSnapshot });
  }

  function take(frame: RelayFrame, conversation: Conversation): void | Promise<void> {
    switch (frame.type) {
      case 'welcome':
        identity.welcomed(frame.userId);
        return catchUp.welcome(frame, conversation);
      case 'snapshot':
        return catchUp.snapshot(frame, conversation);
      case 'entries':
        return catchUp.entries(frame, conversation);
      case 'outcome':
        return judged(frame);
      case 'run':
        runs.hear(frame);
        return pump();
      case 'streams':
        core.streams.keepOnly(frame.runs);
        core.publish();
        return pump();
      case 'stream':
        core.streams.open(frame);
        return core.publish();
      case 'delta':
        if (!core.streams.extend(frame)) conversation.link.send({ type: 'resume', ...core.streams.place(frame.run) });
        return core.publish();
      case 'streamEnd':
        core.streams.end(frame);
        core.streams.closeUpTo(core.replica.seq);
        return core.publish();
      case 'grant':
        return identity.granted(frame, conversation.link);
      case 'streamGone':
        return core.streams.gone(frame.run);
      case 'pong':
      case 'failed':
    }
  }

  /** A mutation was refused, or judged before under another writer: then a new handshake sorts out which. */
  async function judged({ key, outcome }: OutcomeFrame): Promise<void> {
    const id = mutationId(key);
    if (!core.replica.pending.has(id)) return;
    events.heard();
    if ('refused' in outcome) core.verdicts.reject(new Map([[id, errorOf(outcome.refused)]]));
    await startOver();
  }

  /** What is pending runs again, and goes on over a new link. */
  async function startOver(adopted?: ReadonlySet<string>): Promise<void> {
    // What it holds is of the writer that is given up.
    if (current) current.queue = undefined;
    if (core.disk.isKept) await core.renew(adopted);
    else catchUp.wantsSnapshot = true;
    current?.link.close(new CotableError('writer.fenced', {}));
  }

  /** All that the relay had when it answered is here; what is pending now is what it does not know, or refused. */
  async function caughtUp(conversation: Conversation, welcome: WelcomeFrame): Promise<void> {
    core.verdicts.settle(judge(core, welcome));
    core.foreign.sweep();
    core.publish();
    const { replica } = core;
    const { writer, writerLast: last } = welcome;
    const isOther = replica.writer !== writer;
    const ceiling = ceilingOf(welcome);
    if (isOther && replica.pending.size === 0 && !mustReplay(core, last, ceiling)) core.become({ writer, last });
    else if (isOther || mustReplay(core, last, ceiling)) {
      try {
        if (core.disk.isKept) await core.replay(ceiling, isOther ? { writer, last } : replica.writerStart);
      } catch (error) {
        if (core.disk.isKept) throw error;
      }
      if (!core.disk.isKept) {
        catchUp.wantsSnapshot = true;
        return conversation.link.close(new CotableError('storage.notDurable', {}));
      }
    }
    // What ran again was sent by the writer of this link, or the disk had lost something: the relay has to know of a new one.
    if (core.replica.writer !== writer) return conversation.link.close(new CotableError('writer.fenced', {}));
    if (conversation.link.isClosed) return;
    conversation.queue = [...core.replica.pending.values(), ...runs.unfinished()];
    events.level();
    if (core.replica.pending.size === 0) events.heard();
    pump();
  }

  function pump(): void {
    if (!current?.queue) return;
    sendQueue(core, current);
    askForStreams(core, runs, current);
  }

  return {
    get sessionId() {
      return current?.welcome?.sessionId;
    },
    opened(link) {
      current?.link.close();
      // Not within the queue: what the app asks for a token may never answer, and later links must not wait for it.
      identity.token().then(
        (token) => serial(() => begin(link, token)),
        (error: unknown) => link.close(new CotableError('auth.required', {}, { cause: error })),
      );
    },
    frame(frame, link) {
      serial(() => (current?.link === link ? take(frame, current) : undefined));
    },
    lost() {
      current = undefined;
    },
    leave() {
      const { replica, mustRebuild } = core;
      // With nothing pending or doubtful, and nothing being done that would change that.
      if (!current?.queue || mustRebuild || replica.pending.size > 0 || !replica.writerStart) return;
      if (replica.writer < FIRST_PICKED_WRITER) current.link.send({ type: 'bye', ...replica.writerStart });
    },
    made(item) {
      current?.queue?.push(item);
    },
    isSent: (id) => current?.sentIds.has(id) ?? false,
    pump,
    renew(adopted) {
      const done = createDeferred<void>();
      serial(async () => {
        try {
          if (adopted || core.mustRebuild) await startOver(adopted);
        } finally {
          done.resolve();
        }
      });
      return done.promise;
    },
  };
}
