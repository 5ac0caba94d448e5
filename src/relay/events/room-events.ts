import { CotableError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { OpenRoom } from '../open-room.ts';
import { createRateLimit } from '../rate-limit.ts';
import type { RunDesk } from '../run-desk.ts';
import { createEventDoor, type EventCaller, type EventDoor } from './door.ts';
import { createEventTable, type EventTable, type KnownEvent } from './events.ts';
import { createFanOut } from './fan-out.ts';
import { createEventLinks } from './links.ts';
import { createAnswers } from './messages.ts';
import type { RateLimiting, RoomEventOptions } from './options.ts';

/** The events of a relay, for all ways in. */
export interface RoomEvents {
  readonly table: EventTable;
  readonly door: EventDoor;
  readonly links: ReturnType<typeof createEventLinks>;
  readonly answer: ReturnType<typeof createAnswers>;
}

const MINUTE = 60_000;

export function createRoomEvents(
  options: RoomEventOptions & {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly desk: () => RunDesk;
    room(name: string): Promise<OpenRoom>;
  },
): RoomEvents {
  const { clock, logger, room, desk } = options;
  const table = createEventTable(options.events);
  const answer = createAnswers(options.messages);
  const session = { getSession: async (token: string) => fanOut.sessionOf(token) };
  const functions = { ...table.functions, session };
  const fanOut = createFanOut({ functions, clock, logger, room });
  const limit = limitOf(options.rateLimiting, clock.now);
  const door = createEventDoor({ table, fanOut, functions, logger, limit, desk });
  return { table, door, answer, links: createEventLinks({ table, door, fanOut, answer }) };
}

function limitOf(rateLimiting: RateLimiting | false = {}, now: () => number): (known: KnownEvent, caller: EventCaller) => void {
  if (rateLimiting === false) return () => undefined;
  const { defaultApiLimit = 60, defaultIpLimit = 100, windowMs = MINUTE } = rateLimiting;
  const limits = createRateLimit(windowMs, now);
  return ({ action, event }, { userId, ip }) => {
    const who = userId === '' ? ['ip', ip] : ['user', userId];
    const seconds = Math.max(
      // Where nobody can tell addresses apart, all of them are one.
      limits.take(JSON.stringify(['ip', ip]), defaultIpLimit),
      limits.take(JSON.stringify([action, ...who]), event.rateLimit ?? defaultApiLimit),
    );
    if (seconds > 0) throw new CotableError('sync.rateLimitExceeded', { seconds });
  };
}
