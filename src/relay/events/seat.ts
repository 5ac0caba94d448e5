import type { DropFrame, ListenFrame, SyncFrame } from '../../protocol/sync-frames.ts';

/** What a link in a room may say of events. */
export interface EventSeat {
  listen(frame: ListenFrame): void;
  sync(frame: SyncFrame): Promise<void>;
  drop(frame: DropFrame): Promise<void>;
  leave(): void;
}
