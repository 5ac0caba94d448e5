// node server.mjs SYSTEM FOLDER: one server, and what it has cost so far.
import { answer, cpu } from './child.mjs';
import { atFullSpeed, atPace } from './pace.mjs';
import { pieceOf, pieceLength } from './settings.mjs';
import { load } from './systems.mjs';

const [name, folder] = process.argv.slice(2);
const { url, close, stream } = await (await load(name, 'server')).serve(folder);

answer({
  url: () => url,
  cpu,
  memory: () => process.memoryUsage().rss,
  /** Streams pieces of text to everybody in the room, from within the server. Tells when each was handed over. */
  stream: ({ room, total, perSecond }) =>
    stream(room, (say) => {
      const act = (index) => say(pieceOf(index), index * pieceLength);
      // A piece is all that a turn brings, so that nobody can put pieces together without waiting for them.
      return perSecond ? atPace({ total, perSecond }, act) : atFullSpeed({ total, perTurn: 1 }, act);
    }),
  stop: () => close?.(),
});
