import { asCotableError, CotableError } from '../errors.ts';
import type { AnyAccess } from '../access/access.ts';
import type { MutatorFunctions } from '../mutation/run.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { Link, LinkEvents, LinkOrigin } from '../ports/transport.ts';
import type { HelloFrame } from '../protocol/frames.ts';
import { roomNameProblem } from '../protocol/limits.ts';
import type { AnySchema } from '../schema/schema.ts';
import { createHall, type Hall } from './hall.ts';
import type { Limits } from './limits.ts';
import { createMember, type Member, type Seat } from './member.ts';
import { openRoom, SYSTEM, type Room } from './room.ts';
import type { AnyActionPolicy } from './backend.ts';
import type { Platform } from './platform.ts';
import type { RunRoom } from './runs/run-room.ts';
import { createRunner } from './runs/runner.ts';
import { createRoomStreams } from './streams.ts';

/** What a relay is made of: everything it does to the world outside is handed in. */
export interface RelayParts {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly actions: { readonly [name: string]: AnyActionPolicy };
  readonly access: AnyAccess | undefined;
  readonly platform: Platform;
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
  health(): RelayHealth;
  /** Closes all links with `relay.closed`, keeps what was accepted, then closes the storage. */
  close(): Promise<void>;
}

const UNLOADED = new CotableError('storage.unavailable', { reason: 'the room is being loaded again' });

interface OpenRoom extends RunRoom {
  readonly hall: Hall;
}

export function createRelayOf(parts: RelayParts): RelayCore {
  const { storage, clock, random, logger, limits, schema, mutators } = parts;
  const rooms = new Map<string, Promise<OpenRoom>>();
  const open = new Map<string, OpenRoom>();
  const links = new Set<Link>();
  /** Cancels of the timers that take rooms out of memory. */
  const unloads = new Set<() => void>();
  let closing: Promise<void> | undefined;
  const runner = createRunner({
    schema,
    actions: parts.actions,
    platform: parts.platform,
    storage,
    logger,
    now: clock.now,
    after: clock.after,
    released(name) {
      const opened = open.get(name);
      if (opened && opened.hall.size === 0) unloadLater(name, opened);
    },
    room: roomOf,
    ended: (name, run, ending, seq) => open.get(name)?.hall.runEnded(run, ending, seq),
  });
  runner.resume().catch((error: unknown) => logger.error({ error }, 'runs of before could not be taken up'));

  function accept(link: Link, origin: LinkOrigin): LinkEvents {
    const member = createMember(link, origin, { clock, logger, limits, join });
    links.add(link);
    return {
      ...member,
      closed(reason) {
        links.delete(link);
        member.closed(reason);
      },
    };
  }

  function roomOf(name: string): Promise<OpenRoom> {
    if (closing) return Promise.reject(new CotableError('relay.closed', {}));
    const problem = roomNameProblem(name);
    if (problem !== undefined) return Promise.reject(new CotableError('room.invalidName', { problem }));
    let loading = rooms.get(name);
    if (!loading) {
      loading = load(name);
      rooms.set(name, loading);
      // A room that could not be loaded is tried again by who comes next; who waits for this one gets the error.
      loading.then(
        (loaded) => open.set(name, loaded),
        () => rooms.delete(name),
      );
    }
    return loading;
  }

  async function load(name: string): Promise<OpenRoom> {
    const options = { name, schema, mutators, access: parts.access, storage, clock, random };
    const room: Room = await openRoom(options, {
      committed: (group) => hall.committed(group),
      refused({ key, name: mutation }, { userId }, { code, params }) {
        logger.info({ room: name, mutation, id: mutationId(key), userId, code, params }, 'mutation refused');
      },
      broken(error) {
        logger.error({ room: name, error }, 'room thrown out of memory');
        forget(name, opened, UNLOADED);
        hall.clear(asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error })));
      },
    });
    const streams = createRoomStreams({ random, clock, send: (frames) => hall.broadcast(frames) });
    const hall: Hall = createHall({
      name,
      room,
      streams,
      schema,
      storage,
      clock,
      queued: (run) => runner.begin(name, run),
      left: () => unloadLater(name, opened),
    });
    const opened: OpenRoom = { name, room, streams, hall };
    return opened;
  }

  function forget(name: string, opened: OpenRoom, reason: CotableError): void {
    opened.room.close(reason);
    if (open.get(name) !== opened) return;
    open.delete(name);
    rooms.delete(name);
  }

  function unloadLater(name: string, opened: OpenRoom): void {
    if (closing) return;
    const cancel = clock.after(limits.unloadMs, () => {
      unloads.delete(cancel);
      if (open.get(name) !== opened || opened.hall.size > 0) return;
      if (opened.room.isIdle) forget(name, opened, UNLOADED);
      else unloadLater(name, opened);
    });
    unloads.add(cancel);
  }

  async function join(member: Member, hello: HelloFrame, seated: (seat: Seat) => void): Promise<void> {
    if (hello.userId === '' || hello.userId === SYSTEM) throw new CotableError('auth.required', {});
    const versions = { mine: hello.schemaVersion, theirs: schema.schemaVersion };
    if (hello.schemaVersion < schema.schemaVersion) throw new CotableError('schema.tooOld', versions);
    if (hello.schemaVersion > schema.schemaVersion) throw new CotableError('schema.tooNew', versions);
    const { hall } = await roomOf(hello.room);
    return hall.join(member, hello, seated);
  }

  async function close(): Promise<void> {
    runner.close();
    const loaded = await Promise.allSettled(rooms.values());
    for (const result of loaded) {
      if (result.status === 'rejected') continue;
      const { room, hall } = result.value;
      room.close(new CotableError('relay.closed', {}));
      // What was accepted is kept and acknowledged before its link goes.
      await room.commits.settled().catch((error: unknown) => logger.error({ error }, 'not kept at shutdown'));
      hall.clear(new CotableError('relay.closed', {}));
    }
    // Those that were not in a room yet.
    for (const link of [...links]) link.close(new CotableError('relay.closed', {}));
    for (const cancel of unloads) cancel();
    await storage.close();
  }

  return {
    accept,
    async mutate(name, mutator, input) {
      const opened = await roomOf(name);
      try {
        const { id } = await opened.room.mutate(mutator, input);
        return { id };
      } finally {
        if (opened.hall.size === 0) unloadLater(name, opened);
      }
    },
    health() {
      let links = 0;
      for (const { hall } of open.values()) links += hall.size;
      return { status: closing ? 'closing' : 'ok', rooms: open.size, links, storage: storage.description };
    },
    close: () => (closing ??= close()),
  };
}
