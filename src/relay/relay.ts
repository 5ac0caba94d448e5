import { asCotableError, CotableError } from '../errors.ts';
import type { Backplane } from '../ports/backplane.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { Link, LinkEvents, LinkOrigin } from '../ports/transport.ts';
import { roomNameProblem } from '../protocol/limits.ts';
import type { RoomEventOptions } from './events/options.ts';
import { createRoomEvents, type RoomEvents } from './events/room-events.ts';
import type { Limits } from './limits.ts';
import { isLasting } from './load-room.ts';
import { createGuard, type AnyHooks, type Guard } from './guard.ts';
import { createMember, type FirstFrame, type Member } from './member.ts';
import { openRoomWithLinks, type LinkDoors, type OpenRoom, type OpenRoomEvents } from './open-room.ts';
import { randomName } from '../mutation/mutation-id.ts';
import { createQuarantine } from './quarantine.ts';
import type { AppOf, RoomApp } from './room-app.ts';
import { createRunDesk, type RunDesk } from './run-desk.ts';
import type { Platform } from './platform.ts';
import { createRunAdmin, type RunAdmin } from './runs/admin.ts';
import { createRunRequests } from './runs/requests.ts';
import { createRunner } from './runs/runner.ts';
import { createStreamLog } from './stream-log.ts';
import type { RoomStreams } from './streams.ts';
import { createStrangers } from './strangers.ts';

/** What a relay is made of: everything it does to the world outside is handed in. */
export interface RelayParts extends RoomApp {
  /** Rooms of other apps than this one, by their names. */
  readonly otherApp?: (room: string) => RoomApp | undefined;
  readonly hooks: AnyHooks;
  readonly platform: Platform;
  readonly events?: RoomEventOptions & { readonly backplane?: Backplane | undefined };
  readonly storage: RelayStorage;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: Limits;
}

export interface RelayHealth {
  readonly status: 'ok' | 'closing';
  /** Rooms in memory, and links in them. */
  readonly rooms: number;
  readonly links: number;
  readonly storage: string;
}

/** Rooms, and the links to them. Opens no port. */
export interface RelayCore {
  /** Takes a link; what it returns must hear everything of it. */
  accept(link: Link, origin: LinkOrigin): LinkEvents;
  mutate(room: string, name: string, input: unknown): Promise<{ readonly id: string }>;
  /** Who calls, for doors other than links. */
  readonly guard: Guard;
  /** Closes the links of a user with `auth.revoked`, and answers of theirs that go on. */
  revoke(userId: string): void;
  /** Asks for the links of a room, or of all, what they may do there, and for answers that go on. Resolves when each has been asked. */
  recheck(room?: string): Promise<void>;
  readonly runs: RunAdmin;
  /** Runs and their streams, for doors other than links. */
  readonly desk: RunDesk;
  readonly events: RoomEvents;
  /** Resolves when no run is at work, due or between attempts, all is kept, and links have got what there is. */
  drain(room?: string): Promise<void>;
  health(): RelayHealth;
  /**
   * Lets runs end for so long, closes all links with `relay.closed`, keeps what was accepted, then closes the storage.
   */
  close(graceMs: number): Promise<void>;
}

const UNLOADED = new CotableError('storage.unavailable', { reason: 'the room is being loaded again' });

export function createRelayOf(parts: RelayParts): RelayCore {
  const { storage, clock, random, logger, limits } = parts;
  const roomEvents: RoomEvents = createRoomEvents({
    ...parts.events,
    clock,
    logger,
    id: newName(),
    desk: () => desk,
    room: roomOf,
  });
  const { schema, mutators, access } = parts;
  const app: RoomApp = {
    schema,
    mutators,
    access,
    actions: { ...parts.actions, ...roomEvents.door.actions },
    ofDoors: roomEvents.table.shapes,
  };
  const appOf: AppOf = (room) => parts.otherApp?.(room) ?? app;
  const rooms = new Map<string, Promise<OpenRoom>>();
  const open = new Map<string, OpenRoom>();
  const links = new Map<Link, Member>();
  /** Those that have said hello. */
  const known = new Set<Link>();
  const strangers = createStrangers(limits);
  const quarantine = createQuarantine();
  const streamLog = createStreamLog({ storage, clock, logger });
  /** What rooms that left memory still keep. */
  const leaving = new Map<string, Promise<void>>();
  /** Streams of rooms that were thrown out of memory: who speaks does not hear of that, and speaks on. */
  const spokenOn = new Map<string, RoomStreams>();
  /** Cancels of the timers that take rooms out of memory. */
  const unloads = new Map<OpenRoom, () => void>();
  let closing: Promise<void> | undefined;
  let ending: Promise<void> | undefined;
  const guard = createGuard({ schema: parts.schema, hooks: parts.hooks, clock, logger, timeoutMs: limits.helloMs });
  const requests = createRunRequests(appOf, clock.now);
  const runner = createRunner({
    appOf,
    schedules: parts.actions,
    platform: parts.platform,
    storage,
    clock,
    random,
    logger,
    limits,
    requests,
    released,
    room: roomOf,
    changed(run, isNew) {
      open.get(run.room)?.runChanged(run, isNew);
      if (run.ending) desk.ended(run);
    },
  });
  const desk = createRunDesk({ storage, clock, limits, appOf, requests, runner, room: roomOf, released });
  const doors: LinkDoors = {
    runs: { requests, queued: runner.queued, cancel: runner.cancel, canceled: runner.canceled },
    events: roomEvents.links,
  };
  runner.start();

  /** Of no use to anybody but as a name, and not to be guessed. */
  function newName(): string {
    return `${randomName(random).toString(36)}-${randomName(random).toString(36)}`;
  }

  function accept(link: Link, origin: LinkOrigin): LinkEvents {
    const drop = (limit: number): void => {
      logger.warn({ code: 'limit.links', limit, ip: origin.ip }, 'link closed');
      link.close(new CotableError('limit.links', { limit }));
    };
    const leaveStrangers = strangers.arrive(origin.ip, drop);
    const { member, events } = createMember(link, origin, {
      clock,
      logger,
      limits,
      guard,
      check: checkFirst,
      isOpen: roomEvents.table.hasOpen,
      sessionId: newName(),
      async join(newcomer, first, seated) {
        if (known.size >= limits.links) throw new CotableError('limit.links', { limit: limits.links });
        leaveStrangers();
        known.add(link);
        link.greeted?.();
        const { hall } = await roomOf(first.room);
        return hall.join(newcomer, first, seated);
      },
    });
    links.set(link, member);
    return {
      ...events,
      closed(reason) {
        leaveStrangers();
        links.delete(link);
        known.delete(link);
        events.closed(reason);
      },
    };
  }

  function roomOf(name: string): Promise<OpenRoom> {
    if (closing) return Promise.reject(new CotableError('relay.closed', {}));
    const invalid = invalidName(name);
    if (invalid) return Promise.reject(invalid);
    let loading = rooms.get(name);
    if (!loading) {
      loading = load(name);
      rooms.set(name, loading);
      // A room that could not be loaded is tried again by who comes next; who waits for this one gets the error.
      loading.then(
        (loaded) => open.set(name, loaded),
        (error: unknown) => {
          if (!isLasting(error)) return rooms.delete(name);
          logger.error({ room: name, error }, 'the room does not open until the relay starts with other code');
        },
      );
    }
    return loading;
  }

  async function load(name: string): Promise<OpenRoom> {
    // What an earlier memory of this room had accepted before it broke is kept first: it comes before all that is new.
    await leaving.get(name);
    const isQuarantined = quarantine.has;
    const options = { name, ...appOf(name), storage, clock, random, logger, limits, requests, isQuarantined };
    const events: OpenRoomEvents = {
      broken(opened, error, poison) {
        if (poison) logger.error({ room: name, error, ...quarantine.add(poison) }, 'frame kept for study');
        logger.error({ room: name, error }, 'room thrown out of memory');
        const settled = opened.settled().catch(() => undefined);
        leaving.set(name, settled);
        void settled.then(() => leaving.get(name) === settled && leaving.delete(name));
        // What was queued may not have been heard of.
        void settled.then(() => runner.look());
        const isSpokenOn = open.get(name) === opened && opened.streams.isOpen;
        if (isSpokenOn) spokenOn.set(name, opened.streams);
        forget(name, opened, UNLOADED, isSpokenOn);
        const reason = poison ? UNLOADED : asUnavailable(error);
        opened.hall.clear(reason, poison?.author);
      },
      renewing: (renewed) => void rooms.set(name, renewed),
      canceling: ({ cancel, userId }, kept) => runner.fence(name, cancel, userId, kept),
      left: (opened) => unloadLater(name, opened),
    };
    const opened = await openRoomWithLinks(options, streamLog, doors, events, spokenOn.get(name));
    spokenOn.delete(name);
    return opened;
  }

  /** Nothing needs this room any more but links, if there are any. */
  function released(name: string): void {
    const opened = open.get(name);
    if (opened && opened.hall.size === 0) unloadLater(name, opened);
  }

  function forget(name: string, opened: OpenRoom, reason: CotableError, isSpokenOn = false): void {
    opened.close(reason, isSpokenOn);
    if (open.get(name) !== opened) return;
    open.delete(name);
    rooms.delete(name);
  }

  function unloadLater(name: string, opened: OpenRoom): void {
    if (closing) return;
    // However often it is needed for a moment, it waits once.
    unloads.get(opened)?.();
    const cancel = clock.after(limits.unloadMs, () => {
      unloads.delete(opened);
      if (open.get(name) !== opened || opened.hall.size > 0) return;
      if (opened.isIdle) forget(name, opened, UNLOADED);
      else unloadLater(name, opened);
    });
    unloads.set(opened, cancel);
  }

  function checkFirst(first: FirstFrame): void {
    if (first.type === 'hello') {
      if (first.replica === 0) throw new CotableError('protocol.badFrame', { problem: 'a replica without a name' });
      const { schemaVersion } = appOf(first.room).schema;
      const versions = { mine: first.schemaVersion, theirs: schemaVersion };
      if (first.schemaVersion < schemaVersion) throw new CotableError('schema.tooOld', versions);
      if (first.schemaVersion > schemaVersion) throw new CotableError('schema.tooNew', versions);
    }
    // What authorize() is asked about is a room.
    const invalid = invalidName(first.room);
    if (invalid) throw invalid;
  }

  async function close(): Promise<void> {
    desk.close();
    roomEvents.close();
    await streamLog.close();
    const loaded = await Promise.allSettled(rooms.values());
    for (const result of loaded) {
      if (result.status === 'rejected') continue;
      const { value: opened } = result;
      opened.close(new CotableError('relay.closed', {}));
      // What was accepted is kept and acknowledged before its link goes.
      await opened.settled().catch((error: unknown) => logger.error({ error }, 'not kept at shutdown'));
      opened.hall.clear(new CotableError('relay.closed', {}));
    }
    // Those that were not in a room yet.
    for (const link of [...links.keys()]) link.close(new CotableError('relay.closed', {}));
    for (const cancel of unloads.values()) cancel();
    for (const streams of spokenOn.values()) streams.close();
    await storage.close();
  }

  return {
    accept,
    guard,
    revoke(userId) {
      guard.revoke(userId);
      for (const member of [...links.values()]) if (member.userId === userId) member.fail(new CotableError('auth.revoked', {}));
    },
    async recheck(room) {
      const asked = [...links.values()].filter((member) => room === undefined || member.room === room);
      await Promise.all([guard.recheck(room), ...asked.map((member) => member.recheck())]);
    },
    async mutate(name, mutator, input) {
      const opened = await roomOf(name);
      try {
        const { id } = await opened.mutate(mutator, input);
        return { id };
      } finally {
        if (opened.hall.size === 0) unloadLater(name, opened);
      }
    },
    health() {
      let links = 0;
      for (const { hall } of open.values()) links += hall.size;
      return { status: ending ? 'closing' : 'ok', rooms: open.size, links, storage: storage.description };
    },
    runs: createRunAdmin(storage, clock, appOf, runner),
    desk,
    events: roomEvents,
    async drain(room) {
      await runner.idle(room);
      for (const [name, opened] of open) {
        if (room !== undefined && room !== name) continue;
        await opened.settled();
        await opened.hall.sent();
      }
    },
    close: (graceMs) => (ending ??= runner.close(graceMs).then(() => (closing = close()))),
  };
}

function invalidName(room: string): CotableError | undefined {
  const problem = roomNameProblem(room);
  return problem === undefined ? undefined : new CotableError('room.invalidName', { problem });
}

function asUnavailable(error: unknown): CotableError {
  return asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }));
}
