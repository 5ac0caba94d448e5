import type { RowSource } from '../../mutation/overlay.ts';
import type { Room } from '../room.ts';
import type { RoomStreams } from '../streams.ts';

/** A room with what its runs may do to it. It outlives the documents, which may be made afresh below it. */
export interface RunRoom extends Pick<Room, 'mutate' | 'perform' | 'settled'> {
  readonly name: string;
  readonly streams: RoomStreams;
  /** A table of the schema as it stands. */
  source(table: string): RowSource;
  /** Keeps the room in memory until the function returned is called. */
  hold(): () => void;
}
