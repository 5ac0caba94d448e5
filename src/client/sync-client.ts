import { CotableError } from '../errors.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { RelayConnection } from '../ports/transport.ts';
import { roomNameProblem } from '../protocol/limits.ts';
import type { SyncResponse } from '../schema/events.ts';
import { createCallbacks, type Registration } from './sync-callbacks.ts';
import type { RequestQueue } from './sync-queue.ts';
import type { UntypedRequest } from './sync-request.ts';
import { createRequests } from './sync-requests.ts';
import { createRoom, type Room, type RoomEvents } from './sync-room.ts';
import type { OfflineQueueOptions, SyncStatus } from './sync-types.ts';

/** A room that was not joined is left when nothing was asked of it for so long. */
const IDLE_MS = 10_000;

/** What a client is made of. */
export interface SyncClientParts {
  readonly connection: Omit<RelayConnection, 'room'>;
  readonly rooms: readonly string[];
  readonly locale: string;
  readonly limits: Required<Pick<OfflineQueueOptions, 'maxSize' | 'maxAgeMs' | 'dropPolicy'>> & { readonly requestTimeoutMs: number };
  readonly queue: RequestQueue;
  readonly clock: Clock;
  readonly random: Random;
}

/** A client whose types are not known: `createSyncClient` gives them to it. */
export interface UntypedSyncClient {
  syncRequest(request: UntypedRequest): Promise<SyncResponse>;
  upsertSyncEventCallback(registration: Registration): () => void;
  upsertSyncEventStreamCallback(registration: Registration): () => void;
  join(room: string): void;
  leave(room: string): void;
  readonly status: SyncStatus;
  subscribe(changed: () => void): () => void;
  close(): Promise<void>;
}

export function createSyncClientOf(parts: SyncClientParts): UntypedSyncClient {
  const { connection, queue, clock } = parts;
  const rooms = new Map<string, Room>();
  const idle = new Map<string, () => void>();
  const listeners = new Set<() => void>();
  let status: SyncStatus = { rooms: {}, waiting: 0 };
  /** Who asks: whom the app names, or whom the relay last took this client for. */
  let who = connection.userId;
  let closing: Promise<void> | undefined;

  const callbacks = createCallbacks(call, () => {
    for (const room of rooms.values()) room.streams.look();
  });
  const requests = createRequests({
    clock,
    queue,
    limits: parts.limits,
    locale: parts.locale,
    userId: () => who,
    isClosed: () => closing !== undefined || connection.transports.length === 0,
    way: open,
    call,
    changed(name) {
      tidy(name);
      show();
    },
  });

  /** What an app throws is for its own handlers of errors, and ends no link. */
  function call(run: () => void): void {
    try {
      run();
    } catch (error) {
      clock.after(0, () => {
        throw error;
      });
    }
  }

  function show(): void {
    const shown = [...rooms].map(([name, room]) => [name, room.status] as const);
    status = { rooms: Object.fromEntries(shown), waiting: requests.waiting };
    for (const changed of listeners) call(changed);
  }

  function open(name: string): Room {
    const known = rooms.get(name);
    if (known) return known;
    const room = createRoom(name, { ...connection, identify }, parts, eventsOf(name));
    rooms.set(name, room);
    return room;
  }

  /** Nobody enters before it is known what waits to be sent there. */
  async function identify(): Promise<string> {
    await queue.loaded;
    return connection.identify();
  }

  function eventsOf(name: string): RoomEvents {
    return {
      entered() {
        who = connection.userId ?? rooms.get(name)?.enteredAs;
        requests.flush(name);
      },
      lost: (reason) => requests.lost(name, reason),
      refused: (error) => requests.refused(name, error),
      taken: ({ request, run }) => requests.taken(request, run),
      answer: ({ request, body }) => requests.answer(request, body),
      event({ run, serverOutput, clientOutput }) {
        // What nobody hears is not read.
        if (!callbacks.has(run)) return;
        callbacks.tell({
          status: 'success',
          room: name,
          run,
          serverOutput: JSON.parse(serverOutput),
          clientOutput: JSON.parse(clientOutput),
        });
      },
      piece(run, isFor, piece) {
        if (isFor === 0) requests.piece(run, piece);
        else if (isFor === 1) callbacks.tell({ status: 'stream', room: name, run, stream: piece });
      },
      isWanted: (run) => callbacks.has(run) || requests.hasListener(run),
      runOf: requests.runOf,
      changed: show,
    };
  }

  /** Lets a room go of which nothing is wanted, after a while. */
  function tidy(name: string): void {
    idle.get(name)?.();
    idle.delete(name);
    const room = rooms.get(name);
    if (!room || room.isJoined || requests.isWanted(name)) return;
    idle.set(
      name,
      clock.after(IDLE_MS, () => letGo(name, room)),
    );
  }

  function letGo(name: string, room: Room): void {
    idle.get(name)?.();
    idle.delete(name);
    rooms.delete(name);
    room.close();
    show();
  }

  function join(name: string): void {
    const problem = roomNameProblem(name);
    if (problem !== undefined) throw new CotableError('room.invalidName', { problem });
    if (closing || connection.transports.length === 0) return;
    const room = open(name);
    if (room.isJoined) return;
    room.listen(true);
    tidy(name);
    show();
  }

  for (const name of parts.rooms) join(name);

  return {
    syncRequest: requests.ask,
    upsertSyncEventCallback: (registration) => callbacks.add('all', registration),
    upsertSyncEventStreamCallback: (registration) => callbacks.add('pieces', registration),
    join,
    leave(name) {
      const room = rooms.get(name);
      if (!room?.isJoined) return;
      room.listen(false);
      if (!requests.isWanted(name)) letGo(name, room);
    },
    get status() {
      return status;
    },
    subscribe(changed) {
      const mine = (): void => changed();
      listeners.add(mine);
      return () => void listeners.delete(mine);
    },
    close() {
      closing ??= (async () => {
        for (const room of rooms.values()) room.close();
        const closed = requests.close();
        for (const cancel of idle.values()) cancel();
        rooms.clear();
        show();
        listeners.clear();
        await closed;
      })();
      return closing;
    },
  };
}
