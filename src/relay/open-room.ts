import { CotableError } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import type { RunCancel, StoredRun } from '../ports/run-storage.ts';
import type { StreamPlace } from '../protocol/stream-frames.ts';
import { quiet } from '../util/deferred.ts';
import { createHall, type Hall } from './hall.ts';
import type { EventSeat } from './events/seat.ts';
import type { RoomOptions } from './load-room.ts';
import type { Member } from './member.ts';
import { openRoom, type Room } from './room.ts';
import type { Poison } from './quarantine.ts';
import { createRunNews, type RunDoor, type RunNews } from './run-news.ts';
import type { RunRoom } from './runs/run-room.ts';
import type { StreamLog } from './stream-log.ts';
import { openRoomStreams, type RoomStreams } from './streams.ts';
import type { StreamViewer } from './viewers.ts';

/** A room in memory with its links, its streams, and the runs that are at work in it. */
export interface OpenRoom extends RunRoom {
  /** The links, of the present epoch. */
  readonly hall: Hall;
  /**
   * Shows the streams of the room, once, to one that is no link, from a place in one of them on. It is told to fail when
   * the room leaves memory. The function returned ends that.
   */
  admit(viewer: StreamViewer, from: StreamPlace): () => void;
  /** How a run of this room stands has changed. `isNew`: it was queued. */
  runChanged(run: StoredRun, isNew: boolean): void;
  /** Whether nothing is being made or kept and no run is at work, so that it may leave memory. */
  readonly isIdle: boolean;
  /** Nothing more is accepted, `reason` says why: this memory is not the room any more. Its streams may go on in another one. */
  close(reason: CotableError, isSpokenOn?: boolean): void;
}

/** What links of a room ask for that others do. */
export interface LinkDoors {
  readonly runs: RunDoor;
  readonly events: (member: Member, streams: RoomStreams) => EventSeat;
}

export interface OpenRoomEvents {
  /** It is of no use any more: what it holds in memory may not be what is kept. */
  broken(opened: OpenRoom, error: unknown, poison?: Poison): void;
  /** Documents are being made afresh: whoever comes now waits for `renewed`. */
  renewing(renewed: Promise<OpenRoom>): void;
  /** A run is being canceled by a mutation, as far as it is that user's, once `kept` says that this is kept. */
  canceling(cancel: RunCancel, kept: Promise<unknown>): void;
  /** No link is left. */
  left(opened: OpenRoom): void;
}

/** Why a room's memory takes nothing more while its documents are made afresh. A store comes back and takes the new ones. */
const RENEWED = new CotableError('room.lineageChanged', {});

/**
 * Loads a room. Its documents may be made afresh while it is in use, when they have outgrown their rows: all that was
 * accepted is kept and acknowledged, the links are closed, and the room is loaded again, which compacts it. Streams and
 * runs outlive that: what a run writes meanwhile waits for the new documents. `former`: the streams of an earlier memory of
 * the room, which had to be thrown out while they were open.
 */
export async function openRoomWithLinks(
  options: RoomOptions,
  log: StreamLog,
  doors: LinkDoors,
  events: OpenRoomEvents,
  former?: RoomStreams,
): Promise<OpenRoom> {
  const { name, schema, storage, clock, logger, limits } = options;
  const viewers = new Set<StreamViewer>();
  let held = 0;
  let closed: CotableError | undefined;
  let renewing: Promise<void> | undefined;
  let renewedAt = -Infinity;
  const streams = former ?? (await openRoomStreams({ ...options, room: name, log }));
  let at = await load();
  streams.goOn(at.room.commits.head);

  const opened: OpenRoom = {
    name,
    streams,
    get hall() {
      return at.hall;
    },
    get isIdle() {
      return held === 0 && !renewing && streams.isIdle && at.room.isIdle;
    },
    mutate: (mutator, input, origin) => inPresent((room) => room.mutate(mutator, input, origin)),
    perform: (title, body, origin) => inPresent((room) => room.perform(title, body, origin)),
    source: (table) => at.room.source(table),
    hold() {
      held += 1;
      return () => void (held -= 1);
    },
    admit(viewer, from) {
      viewers.add(viewer);
      streams.tellEnds(viewer, [from]);
      streams.join(viewer, [from]);
      return () => {
        viewers.delete(viewer);
        streams.leave(viewer);
      };
    },
    close(reason, isSpokenOn = false) {
      closed ??= reason;
      if (!isSpokenOn) streams.close();
      for (const viewer of [...viewers]) viewer.fail(reason);
      at.room.close(reason);
    },
    settled: () => at.room.settled(),
    runChanged: (run, isNew) => at.news.changed(run, isNew),
  };
  return opened;

  async function load(): Promise<{ readonly room: Room; readonly hall: Hall; readonly news: RunNews }> {
    const room: Room = await openRoom(options, {
      committed: (group) => hall.committed(group),
      broken: (error, poison) => events.broken(opened, error, poison),
      refused({ key, name: mutation }, { userId }, { code, params }) {
        logger.info({ room: name, mutation, id: mutationId(key), userId, code, params }, 'mutation refused');
      },
      outgrown: () => renew(),
      canceling: events.canceling,
    });
    const failed = (run: string, error: unknown): void => logger.warn({ room: name, run, error }, 'a run that a mutation asked for again');
    const news = createRunNews(name, { schema, storage, door: doors.runs, failed });
    const hall: Hall = createHall({
      name,
      room,
      streams,
      news,
      storage,
      clock,
      events: doors.events,
      left: () => events.left(opened),
    });
    return { room, hall, news };
  }

  function renew(): void {
    if (renewing || closed || clock.now() - renewedAt < limits.compaction.restMs) return;
    renewing = loadAgain();
    events.renewing(quiet(renewing.then(() => opened)));
    renewing.catch((error: unknown) => events.broken(opened, error));
  }

  async function loadAgain(): Promise<void> {
    const former = at;
    former.room.close(RENEWED);
    // Acknowledgements go out before the links do.
    await former.room.settled();
    if (!closed) {
      logger.info({ room: name, links: former.hall.size }, 'the documents of the room are made afresh');
      former.hall.clear(RENEWED);
      at = await load();
      renewedAt = clock.now();
    }
    // It may have been closed while it was loaded.
    if (closed) at.room.close(closed);
    renewing = undefined;
  }

  /** What a room that is being renewed did not take is made again in the next one: nothing of it has happened. */
  async function inPresent<T>(work: (room: Room) => Promise<T>): Promise<T> {
    for (;;) {
      await renewing;
      const { room } = at;
      try {
        return await work(room);
      } catch (error) {
        if (error !== RENEWED || (room === at.room && !renewing)) throw error;
      }
    }
  }
}
