import type { MutationKey } from '../ports/relay-storage.ts';
import { FIRST_PICKED_WRITER } from '../ports/writer-ids.ts';
import type { MutationRange, WelcomeFrame } from '../protocol/frames.ts';
import { CLOCK_MARGIN_MS } from '../protocol/limits.ts';
import type { EntryRecord } from '../protocol/records.ts';
import { msToClock } from '../util/hlc.ts';
import type { StoreLink } from './store-wire.ts';
import type { Core } from './core.ts';
import type { Confirmed, PendingMutation } from './replica.ts';
import type { Asked } from './waiting-calls.ts';

const MAX_WAY_MS = 250;

/** One link's way from greeting to sending. */
export interface Conversation {
  readonly link: StoreLink;
  /** The writer that it was greeted with; 0: none. */
  readonly named: number;
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
  queue: (PendingMutation | Asked)[] | undefined;
  /** How many of them were sent. */
  sent: number;
  /** The mutations among them, by id. */
  readonly sentIds: Set<string>;
  /** Runs whose streams were asked for. */
  readonly asked: Set<string>;
}

/** Who says hello. */
export interface Greeter {
  readonly userId: string;
  readonly token: string;
  /** Whether what is confirmed here is of no use. */
  readonly wantsSnapshot: boolean;
}

/** Says hello over a link that has just opened. */
export function greet(core: Core, link: StoreLink, { userId, token, wantsSnapshot }: Greeter): Conversation {
  const { replica, host, replicaName } = core;
  const fence = [...core.fence];
  const named = nameWriter(core, wantsSnapshot);
  link.send({
    type: 'hello',
    schemaVersion: host.schema.schemaVersion,
    room: host.room,
    userId,
    token,
    lineage: wantsSnapshot ? 0 : replica.birth.lineage,
    epoch: replica.birth.epoch,
    seq: replica.seq,
    replica: replicaName,
    writer: named,
    fence,
    streams: core.streams.places(),
    outbox: toRanges([...replica.pending.values(), ...replica.foreign.values()].map((mutation) => mutation.key)),
  });
  return {
    link,
    named,
    fence,
    greetedAt: core.localNow(),
    welcome: undefined,
    parts: [],
    base: undefined,
    isLevel: false,
    queue: undefined,
    sent: 0,
    sentIds: new Set(),
    asked: new Set(),
  };
}

/**
 * The writer to go on with: a lease, or one that this device picked and that something pending was written by. One that has
 * nothing pending, or whose mutations run again anyhow and were never sent, is given up for a lease.
 */
function nameWriter({ replica }: Core, wantsSnapshot: boolean): number {
  const { writer, pending, writerStart, birth } = replica;
  if (writer < FIRST_PICKED_WRITER) return writer;
  const runsAgain = wantsSnapshot || birth.lineage === 0;
  return pending.size === 0 || (runsAgain && writerStart) ? 0 : writer;
}

/** What the relay has fenced with its welcome. */
export function fencedWith({ named, fence }: Conversation, welcome: WelcomeFrame): readonly number[] {
  return named === 0 || named === welcome.writer ? fence : [...fence, named];
}

/** What the relay's clock was ahead of this device's. Its answer was on its way for about half of the time since the question; the rest, if it is much, the relay took. */
export function clockOffsetOf(core: Core, { greetedAt }: Conversation, welcome: WelcomeFrame): number {
  const onTheWay = Math.min(MAX_WAY_MS, Math.max(0, core.localNow() - greetedAt) / 2);
  return welcome.now + onTheWay - core.localNow();
}

/** The highest clock that the relay takes for now. */
export function ceilingOf(welcome: WelcomeFrame): number {
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
