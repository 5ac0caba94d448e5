import type { Backplane } from '../../ports/backplane.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Audience } from '../stream-source.ts';
import { toPiece } from '../stream-pieces.ts';
import type { RoomStreams } from '../streams.ts';
import type { EventTable } from './events.ts';
import type { LocalFanOut } from './local-fan-out.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { createPeers, NO_PEERS } from './peers.ts';
import type { RoomEvent } from './recipients.ts';

/** How events reach everybody in a room, on whatever relay they are. */
export interface FanOut {
  /** Somebody is in a room here: what other relays run in it reaches the room. The function returned ends that. */
  attend(room: string, streams: RoomStreams): () => void;
  /** How many sessions would get an event. */
  count(room: string, but?: string): Promise<number>;
  /** Says a piece elsewhere too; `said` says it here, and throws what is wrong with it. The function is for one run. */
  sayer(room: string, run: string, action: string, said: (piece: unknown, to: Audience) => void): (piece: unknown, to: Audience) => void;
  /** As {@link LocalFanOut.prepare}, on all relays. `input` is that of the run, as it is kept. */
  prepare(event: RoomEvent, userId: string, input: () => Promise<string>): Promise<() => void>;
  /** The run of an event has ended: it leaves on other relays, or never does. */
  over(room: string, run: string, isDelivered: boolean): void;
  close(): void;
}

/** A room of which there are members here. */
interface Attended {
  readonly streams: RoomStreams;
  readonly mirror: Mirror;
  members: number;
  readonly end: () => void;
}

export function createFanOut(options: {
  readonly backplane: Backplane | undefined;
  readonly id: string;
  readonly table: EventTable;
  readonly local: LocalFanOut;
  readonly clock: Clock;
  readonly logger: Logger;
}): FanOut {
  const { backplane, table, local } = options;
  const mirrors = new Map<string, Attended>();
  const peers = backplane
    ? createPeers({
        ...options,
        backplane,
        count: local.count,
        gone(relay) {
          for (const { mirror } of mirrors.values()) mirror.gone(relay);
        },
      })
    : NO_PEERS;

  return {
    attend(room, streams) {
      if (!backplane) return () => undefined;
      let here = mirrors.get(room);
      // A room that was loaded again has other streams; who was in the one before is leaving.
      if (here?.streams !== streams) {
        const mirror = createMirror({ ...options, room, streams, fanOut: local });
        here = { streams, mirror, members: 0, end: peers.attend(room, mirror.hear) };
        mirrors.set(room, here);
      }
      const attended = here;
      attended.members += 1;
      return () => {
        attended.members -= 1;
        if (attended.members > 0) return;
        if (mirrors.get(room) === attended) mirrors.delete(room);
        attended.end();
        attended.mirror.close();
      };
    },
    count: async (room, but) => local.count(room, but) + (await peers.count(room, but)),

    sayer(room, run, action, said) {
      if (!backplane) return said;
      const declared = { name: action, definition: table.shapes[action]?.stream };
      let number = 0;
      return (piece, to) => {
        said(piece, to);
        peers.tell(room, { type: 'said', run, number, piece: toPiece(declared, piece), to });
        number += 1;
      };
    },

    async prepare(event, userId, input) {
      const { room, run, known, output } = event;
      if (backplane) {
        peers.tell(room, { type: 'event', run, action: known.action, input: await input(), userId, output: JSON.stringify(output) });
      }
      return local.prepare(event);
    },
    over: (room, run, isDelivered) => peers.tell(room, { type: 'over', run, isDelivered }),
    close: peers.close,
  };
}
