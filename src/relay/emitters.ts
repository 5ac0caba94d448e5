import type { Audience } from './stream-source.ts';
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

/** Those of the engine: doors say a piece to whom they like. */
export interface AllEmitters extends Emitters<unknown> {
  readonly say: (piece: unknown, audience: Audience) => void;
}

/** `assertPresent` throws once the attempt is over. */
export function createEmitters(stream: RunStream, userId: string, assertPresent: () => void): AllEmitters {
  const asker = [userId];
  const say: AllEmitters['say'] = (piece, audience) => {
    assertPresent();
    stream.say(piece, audience);
  };
  return {
    say,
    stream: (piece) => say(piece, asker),
    broadcastStream: (piece) => say(piece, 'room'),
    streamTo: (userOrSessionIds, piece) => say(piece, userOrSessionIds),
  };
}
