import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { joinFrames } from '../../protocol/message.ts';
import { encodeSyncFrame } from '../../protocol/sync-codec.ts';
import type { Session } from '../../schema/schema.ts';
import type { OpenRoom } from '../open-room.ts';
import { runRecipients, type Listener, type RoomEvent } from './recipients.ts';

/** Who listens in which room on this relay, and how events get there. */
export interface LocalFanOut {
  /** A session gets the events of a room from now on. The function returned ends that. */
  listen(room: string, listener: Listener): () => void;
  /** How many sessions would get an event. */
  count(room: string, but?: string): number;
  /** The session of one that listens here. */
  sessionOf(sessionId: string): Session | null;
  /** Has the per-recipient handlers run. Resolves with what delivers the event, once it may be. */
  prepare(event: RoomEvent): Promise<() => void>;
}

export function createLocalFanOut(options: {
  readonly functions: object;
  readonly clock: Clock;
  readonly logger: Logger;
  room(name: string): Promise<OpenRoom>;
}): LocalFanOut {
  const rooms = new Map<string, Set<Listener>>();
  const bySession = new Map<string, Listener>();

  function targets(room: string, but: string | undefined): Listener[] {
    return [...(rooms.get(room) ?? [])].filter(({ userId }) => userId !== but);
  }

  function isHere(room: string, listener: Listener): boolean {
    return rooms.get(room)?.has(listener) ?? false;
  }

  return {
    listen(room, listener) {
      const listeners = rooms.get(room) ?? new Set();
      rooms.set(room, listeners.add(listener));
      bySession.set(listener.sessionId, listener);
      return () => {
        bySession.delete(listener.sessionId);
        if (listeners.delete(listener) && listeners.size === 0 && rooms.get(room) === listeners) rooms.delete(room);
      };
    },
    count: (room, but) => targets(room, but).length,
    sessionOf: (sessionId) => bySession.get(sessionId)?.session ?? null,

    async prepare(event) {
      const { known, room, run, but, output } = event;
      const serverOutput = JSON.stringify(output);
      if (!known.event.recipient) {
        return () => {
          const message = toMessage(run, serverOutput, '{}');
          for (const listener of targets(room, but)) listener.send(message);
        };
      }
      const deliveries = await runRecipients(event, targets(room, but), { ...options, place: await options.room(room) });
      return () => {
        for (const { listener, clientOutput } of deliveries) {
          if (isHere(room, listener)) listener.send(toMessage(run, serverOutput, clientOutput));
        }
      };
    },
  };
}

function toMessage(run: string, serverOutput: string, clientOutput: string): Uint8Array {
  return joinFrames([encodeSyncFrame({ type: 'event', run, serverOutput, clientOutput })]);
}
