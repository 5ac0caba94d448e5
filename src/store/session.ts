import { CotableError, errorOf } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import type { MutationKey, RoomBirth } from '../ports/relay-storage.ts';
import { decodeRecord, decodeTables, type EntryRecord } from '../protocol/records.ts';
import type { CallFrame, MutationRange, OutcomeFrame, RelayFrame, WelcomeFrame } from '../protocol/frames.ts';
import { CLOCK_MARGIN_MS } from '../protocol/limits.ts';
import { concatBytes } from '../util/bytes.ts';
import { msToClock } from '../util/hlc.ts';
import { createDeferred } from '../util/deferred.ts';
import { createSerial } from '../util/serial.ts';
import type { OpenLink } from './connector.ts';
import type { Core } from './core.ts';
import type { Confirmed, ForeignMutation, PendingMutation } from './replica.ts';
import type { Runs } from './runs.ts';
import type { Accepted } from './verdicts.ts';

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
  opened(link: OpenLink): void;
  frame(frame: RelayFrame, link: OpenLink): void;
  /** The link is gone; `reason` as far as one side gave one. */
  lost(reason: CotableError | undefined): void;
  /** A mutation or call was made: it is to be sent after those before it. */
  made(item: PendingMutation | CallFrame): void;
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

const MAX_WAY_MS = 250;

/** One link's way from greeting to sending. */
interface Conversation {
  readonly link: OpenLink;
  /** The writer that the relay knows for this link. */
  readonly writer: number;
  /** Writers it was greeted with, to be fenced. */
  readonly fence: readonly number[];
  /** By the device's own clock. */
  readonly greetedAt: number;
  welcome: WelcomeFrame | undefined;
  /** Parts of a snapshot that is coming in. */
  parts: Uint8Array[];
  /** The snapshot, and the entries behind it that have come in: installed when it is as far as the relay was. */
  base: (Confirmed & { readonly entries: EntryRecord[] }) | undefined;
  isLevel: boolean;
  /** Mutations that this link has to send, by number, and calls behind what was written before them; nothing is sent before the link is level. */
  queue: (PendingMutation | CallFrame)[] | undefined;
  /** How many of them were sent. */
  sent: number;
  /** The mutations among them, by id. */
  readonly sentIds: Set<string>;
}

export function createSession(
  core: Core,
  runs: Pick<Runs, 'unfinished' | 'hear'>,
  identity: { readonly userId: () => string; readonly token: () => Promise<string> },
  events: SessionEvents,
): Session {
  let current: Conversation | undefined;
  /** What was confirmed cannot be read back from this device: the relay has it. */
  let wantsSnapshot = false;
  /** The relay takes no more from this writer. */
  let isFenced = false;
  const serial = createSerial((error) => {
    const reason =
      error instanceof CotableError ? error : new CotableError('protocol.badFrame', { problem: String(error) }, { cause: error });
    events.failed(reason);
    current?.link.close(reason);
  });

  async function greet(link: OpenLink, token: string): Promise<void> {
    if (isFenced && core.disk.isKept) await core.renew();
    if (link.isClosed) return;
    const { replica, host, replicaName } = core;
    // With no writer to name, the link is good for reading: the snapshot it brings is built upon with a new one.
    const writer = isFenced && !core.disk.isKept ? 0 : replica.writer;
    wantsSnapshot ||= writer === 0;
    isFenced = false;
    const fence = [...core.fence];
    current = {
      link,
      writer,
      fence,
      greetedAt: core.localNow(),
      welcome: undefined,
      parts: [],
      base: undefined,
      isLevel: false,
      queue: undefined,
      sent: 0,
      sentIds: new Set(),
    };
    link.send({
      type: 'hello',
      schemaVersion: host.schema.schemaVersion,
      room: host.room,
      userId: identity.userId(),
      token,
      lineage: wantsSnapshot ? 0 : replica.birth.lineage,
      epoch: replica.birth.epoch,
      seq: replica.seq,
      replica: replicaName,
      writer,
      fence,
      outbox: toRanges([...replica.pending.values(), ...replica.foreign.values()].map((mutation) => mutation.key)),
    });
  }

  function take(frame: RelayFrame, conversation: Conversation): void | Promise<void> {
    switch (frame.type) {
      case 'welcome':
        conversation.welcome = frame;
        core.welcomed(frame.now + onTheWay(conversation) - core.localNow(), conversation.fence);
        // Ahead of the relay, which was set back to an older copy of itself perhaps: what it has follows as a snapshot.
        if (core.replica.seq > frame.head) wantsSnapshot = true;
        return levelWhenCaughtUp(conversation);
      case 'snapshot':
        conversation.parts.push(frame.bytes);
        if (!frame.isLast) return;
        conversation.base = {
          lineage: frame.lineage,
          epoch: frame.epoch,
          seq: frame.seq,
          tables: decodeTables(concatBytes(conversation.parts)),
          entries: [],
        };
        conversation.parts = [];
        return installWhenWhole(conversation);
      case 'entries':
        checkBirth(frame, conversation.base ?? core.replica.birth);
        if (conversation.base) {
          conversation.base.entries.push(...frame.records.map(decodeRecord).filter((record) => record.kind === 'entry'));
          return installWhenWhole(conversation);
        }
        confirm(frame.records);
        return levelWhenCaughtUp(conversation) ?? pump();
      case 'outcome':
        return judged(frame);
      case 'run':
        return runs.hear(frame);
      case 'streams':
        core.streams.keepOnly(frame.runs);
        return core.publish();
      case 'stream':
        core.streams.open(frame);
        return core.publish();
      case 'delta':
        if (!core.streams.extend(frame)) conversation.link.send({ type: 'resume', run: frame.run });
        return core.publish();
      case 'streamEnd':
        core.streams.end(frame.run, frame.seq);
        core.streams.closeUpTo(core.replica.seq);
        return core.publish();
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
    else isFenced = true;
    current?.link.close(new CotableError('writer.fenced', {}));
  }

  /** With all behind it at once: what is pending runs again on what the relay has now, not on what it had once. */
  async function installWhenWhole(conversation: Conversation): Promise<void> {
    const { base, welcome } = conversation;
    if (!base || !welcome || base.seq + base.entries.length < welcome.head) return;
    conversation.base = undefined;
    judge(welcome);
    await core.install({ ...base, seq: base.seq + base.entries.length }, ceilingOf(welcome));
    wantsSnapshot = false;
    await levelWhenCaughtUp(conversation);
  }

  function confirm(records: readonly Uint8Array[]): void {
    const pending = core.replica.pending.size;
    try {
      core.confirm(records.map(decodeRecord));
    } catch (error) {
      // What is here does not go together with what the relay has, or the relay's disk has spoilt an entry: its snapshot is well.
      wantsSnapshot = true;
      throw error;
    }
    if (core.replica.pending.size < pending) events.heard();
  }

  function checkBirth(frame: RoomBirth, { lineage, epoch }: RoomBirth): void {
    if (frame.lineage !== lineage || frame.epoch !== epoch) throw new CotableError('room.lineageChanged', {});
  }

  function levelWhenCaughtUp(conversation: Conversation): Promise<void> | undefined {
    const { welcome, isLevel } = conversation;
    const { birth, seq } = core.replica;
    if (conversation.base) return undefined;
    if (isLevel || wantsSnapshot || !welcome || birth.lineage !== welcome.lineage || birth.epoch !== welcome.epoch || seq < welcome.head)
      return undefined;
    return level(conversation, welcome);
  }

  /** All that the relay had when it answered is here; what is pending now is what it does not know, or refused. */
  async function level(conversation: Conversation, welcome: WelcomeFrame): Promise<void> {
    conversation.isLevel = true;
    judge(welcome);
    core.foreign.sweep();
    core.publish();
    // The relay's answer was for another writer: ask again for this one.
    if (core.replica.writer !== conversation.writer) return conversation.link.close(new CotableError('writer.fenced', {}));
    const ceiling = ceilingOf(welcome);
    if (mustReplay(welcome.writerLast, ceiling)) {
      try {
        if (core.disk.isKept) await core.replay(ceiling);
      } catch (error) {
        if (core.disk.isKept) throw error;
      }
      if (!core.disk.isKept) {
        wantsSnapshot = true;
        return conversation.link.close(new CotableError('storage.notDurable', {}));
      }
    }
    if (core.replica.writer !== conversation.writer) return conversation.link.close(new CotableError('writer.fenced', {}));
    if (conversation.link.isClosed) return;
    conversation.queue = [...core.replica.pending.values(), ...runs.unfinished()];
    events.level();
    if (core.replica.pending.size === 0) events.heard();
    pump();
  }

  /** The answer was on its way for about half of the time since the question; the rest, if it is much, the relay took. */
  function onTheWay({ greetedAt }: Conversation): number {
    return Math.min(MAX_WAY_MS, Math.max(0, core.localNow() - greetedAt) / 2);
  }

  /** Takes out of the outbox what the relay has judged. */
  function judge(welcome: WelcomeFrame): void {
    const refused = new Map<string, CotableError>();
    const accepted: Accepted[] = [];
    /** Refused ones of other tabs, which may be gone before they hear of it. */
    const elsewhere: [ForeignMutation, CotableError][] = [];
    for (const { key, outcome } of welcome.outcomes) {
      const id = mutationId(key);
      const mutation = core.replica.pending.get(id);
      if ('seq' in outcome) {
        if (mutation) accepted.push({ mutation, seq: outcome.seq });
        else {
          core.foreign.accepted(id, outcome.seq);
          // It may have been made here, and taken over by another tab.
          core.verdicts.confirmed(id);
        }
        continue;
      }
      const error = errorOf(outcome.refused);
      const foreign = core.replica.foreign.get(id);
      if (mutation) refused.set(id, error);
      else if (foreign) elsewhere.push([foreign, error]);
    }
    core.verdicts.reject(refused);
    if (elsewhere.length > 0) {
      core.foreign.withdrawn(elsewhere.map(([{ id }]) => id));
      core.publish();
      for (const [foreign, error] of elsewhere) core.verdicts.refusedElsewhere(foreign, error);
    }
    // Their entries are among what is confirmed, through another tab of this device perhaps.
    core.verdicts.settle(accepted);
  }

  function mustReplay(writerLast: number, ceiling: number): boolean {
    const { replica } = core;
    if (replica.isDoubled || core.mustRebuild) return true;
    let expected = writerLast;
    for (const mutation of replica.pending.values()) {
      expected += 1;
      if (mutation.number !== expected || mutation.clock > ceiling) return true;
    }
    return false;
  }

  function pump(): void {
    const conversation = current;
    if (!conversation?.queue) return;
    const { link, queue } = conversation;
    // What has to run again first is not sent as it is.
    while (link.hasRoom && !core.mustRebuild) {
      const item = queue[conversation.sent];
      if (!item || ('id' in item && (core.disk.isUnstored(item.id) || core.foreign.isWaiting(item)))) break;
      conversation.sent += 1;
      if (!('id' in item)) {
        link.send(item);
        continue;
      }
      core.replica.hasSent = true;
      conversation.sentIds.add(item.id);
      const { lineage, epoch } = core.replica.birth;
      const { writer, number, key, clock, name, intents, updates } = item;
      link.send({ type: 'mutate', lineage, epoch, writer, number, key, clock, name, intents, updates });
    }
    if (conversation.sent < 1000 && conversation.sent < queue.length) return;
    queue.splice(0, conversation.sent);
    conversation.sent = 0;
  }

  return {
    opened(link) {
      current?.link.close();
      // Not within the queue: what the app asks for a token may never answer, and later links must not wait for it.
      identity.token().then(
        (token) => serial(() => greet(link, token)),
        (error: unknown) => link.close(new CotableError('auth.required', {}, { cause: error })),
      );
    },
    frame(frame, link) {
      serial(() => (current?.link === link ? take(frame, current) : undefined));
    },
    lost(reason) {
      isFenced ||= reason?.code === 'writer.fenced' && current?.writer === core.replica.writer;
      current = undefined;
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

/** The highest clock that the relay takes for now. */
function ceilingOf(welcome: WelcomeFrame): number {
  return msToClock(welcome.now + CLOCK_MARGIN_MS);
}

function toRanges(keys: readonly MutationKey[]): MutationRange[] {
  const ranges: MutationRange[] = [];
  for (const { replica, counter } of keys) {
    const last = ranges.at(-1);
    if (last?.replica === replica && last.to + 1 === counter) ranges[ranges.length - 1] = { ...last, to: counter };
    else ranges.push({ replica, from: counter, to: counter });
  }
  return ranges;
}
