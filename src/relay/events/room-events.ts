import type { Backplane } from '../../ports/backplane.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { OpenRoom } from '../open-room.ts';
import type { RunDesk } from '../run-desk.ts';
import { createEventDoor, type EventDoor } from './door.ts';
import { createEventTable, type EventTable } from './events.ts';
import { createFanOut } from './fan-out.ts';
import { createLocalFanOut } from './local-fan-out.ts';
import { createEventLinks } from './links.ts';
import { createAnswers } from './messages.ts';
import { createEventLimits, type EventLimits } from './limits.ts';
import type { RoomEventOptions } from './options.ts';

/** The events of a relay, for all ways in. */
export interface RoomEvents {
  readonly table: EventTable;
  readonly door: EventDoor;
  readonly limits: EventLimits;
  readonly links: ReturnType<typeof createEventLinks>;
  readonly answer: ReturnType<typeof createAnswers>;
  /** Other relays are told that this one is gone. */
  close(): void;
}

export function createRoomEvents(
  options: RoomEventOptions & {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly backplane?: Backplane | undefined;
    /** Names this relay and no other. */
    readonly id: string;
    readonly desk: () => RunDesk;
    room(name: string): Promise<OpenRoom>;
  },
): RoomEvents {
  const { clock, logger, room, desk } = options;
  const table = createEventTable(options.events);
  const answer = createAnswers(options.messages, logger);
  const session = { getSession: async (token: string) => local.sessionOf(token) };
  const functions = { ...table.functions, session };
  const local = createLocalFanOut({ functions, clock, logger, room });
  const fanOut = createFanOut({ backplane: options.backplane, id: options.id, table, local, clock, logger });
  const limits = createEventLimits(options.rateLimiting, clock.now);
  const door = createEventDoor({ table, fanOut, functions, logger, limits, desk });
  return { table, door, answer, limits, links: createEventLinks({ table, door, fanOut, local, answer, limits }), close: fanOut.close };
}
