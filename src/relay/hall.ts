import { asCotableError, CotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogEntry, RelayStorage } from '../ports/relay-storage.ts';
import { encodeFrame } from '../protocol/codec.ts';
import type { ByeFrame, HelloFrame, MutateFrame, MutationOutcome } from '../protocol/frames.ts';
import { joinFrames } from '../protocol/message.ts';
import { encodeSyncFrame } from '../protocol/sync-codec.ts';
import type { EnterFrame } from '../protocol/sync-frames.ts';
import type { Accepted } from './commits.ts';
import type { EventSeat } from './events/seat.ts';
import type { Member, MemberHost, Seat } from './member.ts';
import { PAGE } from './load-room.ts';
import type { Author, Room } from './room.ts';
import type { RunNews } from './run-news.ts';
import type { RoomStreams } from './streams.ts';

export interface HallParts {
  readonly name: string;
  readonly room: Room;
  readonly streams: RoomStreams;
  readonly storage: RelayStorage;
  readonly clock: Clock;
  readonly news: RunNews;
  /** What a link of this room may say of events. */
  readonly events: (member: Member, streams: RoomStreams) => EventSeat;
  /** Nobody is left. */
  readonly left: () => void;
}

/** What a newcomer lacks goes out in pieces of about this size, each after the one before has mostly left. */
const PART_BYTES = 192 * 1024;

/** The links of one room: who gets what is committed, and how a newcomer gets level. */
export interface Hall {
  readonly size: number;
  join: MemberHost['join'];
  committed(group: readonly Accepted<Author>[]): void;
  /** Resolves when nothing waits for any link that is level; one that takes nothing for too long is not waited for. */
  sent(): Promise<void>;
  /** Closes every link, `but` one that is told otherwise. */
  clear(error: CotableError, but?: { readonly userId: string }): void;
}

export function createHall(parts: HallParts): Hall {
  const { room, streams, news, storage, clock, name } = parts;
  const { lineage, epoch } = room;
  /** Members of which a mutation was refused. */
  const silent = new WeakSet<Member>();
  /** Everybody who said hello, with what they write as; 0: nothing yet, or no more. */
  const present = new Map<Member, { readonly replica: number; writer: number }>();
  /** Those who are level: they get each group as it is committed. */
  const level = new Set<Member>();
  /** Those that carry no tables. */
  const guests = new Set<Member>();

  async function join(member: Member, first: HelloFrame | EnterFrame, seated: (seat: Seat) => void): Promise<void> {
    if (first.type === 'enter') return enter(member, first, seated);
    const hello = first;
    for (const [other, { replica, writer }] of present) {
      // An earlier link of this store, or one whose writer is fenced now, is a leftover.
      const isLeftover = other.userId === member.userId && (replica === hello.replica || hello.fence.includes(writer));
      if (isLeftover) other.fail(new CotableError('writer.fenced', {}));
    }
    present.set(member, { replica: hello.replica, writer: hello.writer });
    try {
      await greet(member, hello, seated);
    } catch (error) {
      leave(member);
      throw error;
    }
  }

  /** One that carries no tables: it gets streams and events. */
  function enter(member: Member, { streams: places }: EnterFrame, seated: (seat: Seat) => void): void {
    const { userId, sessionId } = member;
    present.set(member, { replica: 0, writer: 0 });
    guests.add(member);
    member.sendMessage(joinFrames([encodeSyncFrame({ type: 'entered', userId, sessionId, now: clock.now() })]));
    const refuse = (): never => {
      throw new CotableError('protocol.badFrame', { problem: 'a link without tables says nothing of them' });
    };
    // Nobody that is known sees nothing of the room.
    const isKnown = userId !== '';
    seated({
      ...{ mutate: refuse, call: refuse, ask: refuse, cancel: refuse, bye: refuse },
      resume: (frame) => isKnown && unless(member, streams.resume(member, frame)),
      ...eventsOf(member),
    });
    if (!isKnown) return;
    streams.tellEnds(member, places);
    streams.join(member, places);
  }

  function eventsOf(member: Member): Pick<Seat, 'listen' | 'sync' | 'drop' | 'leave'> {
    const seat = parts.events(member, streams);
    return {
      listen: seat.listen,
      sync: (frame) => unless(member, seat.sync(frame)),
      drop: (frame) => unless(member, seat.drop(frame)),
      leave() {
        seat.leave();
        leave(member);
      },
    };
  }

  async function greet(member: Member, hello: HelloFrame, seated: (seat: Seat) => void): Promise<void> {
    await room.writers.fence(member.userId, hello.fence, () => room.commits.settled());
    const isKnown = hello.lineage === lineage && hello.epoch === epoch && hello.seq <= room.commits.head;
    // With a snapshot, what is pending runs again: as another one, since the named one may still carry it.
    const goesOn = isKnown || hello.outbox.length === 0;
    const holder = { userId: member.userId, replica: hello.replica };
    const { writer, last } = await room.writers.admit(holder, hello.writer, goesOn, () => room.commits.settled());
    const place = present.get(member);
    if (place) place.writer = writer;
    // What the old link of this device got accepted is kept before the answer says what became of it.
    await room.settled();
    const judged = await room.marks.learn(hello.replica, hello.outbox);
    const outcomes = judged.flatMap(({ key, outcome }): MutationOutcome[] => (outcome ? [{ key, outcome }] : []));
    const snapshot = isKnown ? undefined : await room.snapshot();
    member.send({
      type: 'welcome',
      lineage,
      epoch,
      head: room.commits.head,
      now: clock.now(),
      writer,
      writerLast: last,
      userId: member.userId,
      sessionId: member.sessionId,
      outcomes,
    });
    seated({
      mutate: (frame) => mutate(member, frame),
      call: (frame) => unless(member, news.call(member, frame, room.commits.settled)),
      ask: ({ run }) =>
        unless(
          member,
          onceSettled(() => news.ask(member, run)),
        ),
      cancel: ({ run }) =>
        unless(
          member,
          onceSettled(() => news.cancel(member, run)),
        ),
      resume: (frame) => unless(member, streams.resume(member, frame)),
      bye: (frame) => bye(member, frame),
      ...eventsOf(member),
    });
    // A viewer that was away swaps to the row in the very change in which the last entry of the stream comes.
    let places = await streams.greet(room.commits.head, member, hello.streams);
    for (let at = 0; snapshot && (at === 0 || at < snapshot.bytes.length); at += PART_BYTES) {
      const bytes = snapshot.bytes.subarray(at, at + PART_BYTES);
      member.send({ type: 'snapshot', lineage, epoch, seq: snapshot.seq, isLast: at + PART_BYTES >= snapshot.bytes.length, bytes });
      await member.drained();
    }
    let seq = snapshot?.seq ?? hello.seq;
    // Ends in the very moment when nothing is missing, so that the next group is the next entry.
    while (seq < room.commits.head) {
      const page = await storage.entries(name, seq, PAGE);
      const last = page.at(-1);
      if (!last) throw new CotableError('storage.corrupt', { record: `log of room ${name} after ${seq}` });
      // What ended with one of these meanwhile: the link is not among those yet that hear of every end.
      places = await streams.greet(last.seq, member, places);
      for (const records of inParts(page)) {
        member.send({ type: 'entries', lineage, epoch, records });
        await member.drained();
      }
      seq = last.seq;
    }
    level.add(member);
    streams.join(member, hello.streams);
    if (present.has(member)) unless(member, news.level(member));
  }

  function mutate(member: Member, frame: MutateFrame): void {
    if (frame.writer !== present.get(member)?.writer)
      throw new CotableError('protocol.gateRefused', { rule: 'only the own writer is written by' });
    if (silent.has(member)) return;
    const verdict = room.submit(frame, member);
    if (verdict === 'accepted') return;
    // What comes behind a refused mutation stands on it: it will come again, under another writer.
    if (verdict === 'refused') silent.add(member);
    unless(member, answer(member, frame));
  }

  /** It says nothing more: what it still sends is of no writer. */
  function bye(member: Member, { writer, last }: ByeFrame): void {
    const place = present.get(member);
    if (!place || place.writer !== writer) throw new CotableError('protocol.gateRefused', { rule: 'only the own writer is given back' });
    place.writer = 0;
    if (!silent.has(member)) unless(member, room.writers.giveBack({ userId: member.userId, replica: place.replica }, { writer, last }));
  }

  /** A run that the mutation before this asks for is there when that is kept. */
  async function onceSettled(work: () => Promise<void>): Promise<void> {
    await room.commits.settled();
    await work();
  }

  /** Closes the link unless what it asked for works out. */
  function unless(member: Member, asked: Promise<void>): void {
    asked.catch((error: unknown) =>
      member.fail(asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }))),
    );
  }

  /** A mutation that was judged before gets the same answer. */
  async function answer(member: Member, { key }: MutateFrame): Promise<void> {
    await room.settled();
    const [outcome] = await storage.outcomes(name, [key]);
    if (!outcome) throw new CotableError('writer.fenced', {});
    member.send({ type: 'outcome', lineage, epoch, key, outcome });
  }

  function leave(member: Member): void {
    present.delete(member);
    level.delete(member);
    guests.delete(member);
    streams.leave(member);
    news.leave(member);
    if (present.size === 0) parts.left();
  }

  return {
    get size() {
      return present.size;
    },
    join,
    committed(group) {
      const records = group.map(({ acceptance }) => acceptance.entry.bytes);
      // Ends of streams go before the entries they come with, so that a viewer swaps from stream to row in one step.
      streams.due(room.commits.head);
      const authors = new Set(group.map(({ author }) => author));
      // Acknowledge first: the authors' tabs wait for it. They have the bytes, so they get their own entries without.
      for (const member of level) {
        if (!authors.has(member)) continue;
        const own = group.map(({ author, ack, acceptance }) => (author === member ? ack() : acceptance.entry.bytes));
        member.send({ type: 'entries', lineage, epoch, records: own });
      }
      const others = [...level].filter((member) => !authors.has(member));
      if (others.length > 0) {
        const message = joinFrames([encodeFrame({ type: 'entries', lineage, epoch, records })]);
        for (const member of others) member.sendMessage(message);
      }
      for (const { acceptance } of group) news.kept(acceptance.runs);
    },
    async sent() {
      await Promise.allSettled([...level, ...guests].map((member) => member.drained(0)));
    },
    clear(error, but) {
      for (const member of [...present.keys()]) if (member !== but) member.fail(error);
    },
  };
}

function* inParts(entries: readonly LogEntry[]): Generator<readonly Uint8Array[]> {
  let part: Uint8Array[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (part.length > 0 && bytes + entry.bytes.length > PART_BYTES) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(entry.bytes);
    bytes += entry.bytes.length;
  }
  if (part.length > 0) yield part;
}
