import type { Room } from '../room.ts';
import type { RoomStreams } from '../streams.ts';

/** A room with what its runs may do to it. */
export interface RunRoom {
  readonly name: string;
  readonly room: Room;
  readonly streams: RoomStreams;
}
