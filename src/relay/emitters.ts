import type { RunStream } from './streams.ts';

/** How an action says something, to whom. Closures: they may be taken apart and handed on. */
export interface Emitters<Piece> {
  /** To the sessions of the user who asked. */
  readonly stream: (piece: Piece) => void;
  /** To everyone in the room. */
  readonly broadcastStream: (piece: Piece) => void;
  /** To the sessions of these users, and to these sessions. */
  readonly streamTo: (userOrSessionIds: readonly string[], piece: Piece) => void;
}

/** `assertPresent` throws once the attempt is over. */
export function createEmitters(stream: RunStream, userId: string, assertPresent: () => void): Emitters<unknown> {
  const asker = [userId];
  return {
    stream(piece) {
      assertPresent();
      stream.say(piece, asker);
    },
    broadcastStream(piece) {
      assertPresent();
      stream.say(piece, 'room');
    },
    streamTo(userOrSessionIds, piece) {
      assertPresent();
      stream.say(piece, userOrSessionIds);
    },
  };
}
