// node server.mjs SYSTEM FOLDER: one server, and what it has cost so far.
import { answer, cpu } from './child.mjs';
import { atFullSpeed, atPace } from './pace.mjs';
import { longestQueue, watchQueues } from './queues.mjs';
import { pieceOf, pieceLength } from './settings.mjs';
import { load } from './systems.mjs';

const [name, folder] = process.argv.slice(2);
watchQueues();
let offered;
let endOffer;
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
  /** Streams much, in large pieces, a turn of the event loop after each; the most that ever waited for a viewer. It ends with `endOffer`. */
  offer: ({ room, pieces, bytes }) =>
    new Promise((answered, failed) => {
      offered = stream(room, async (say) => {
        answered({ most: await offer(say, pieces, bytes) });
        await new Promise((end) => (endOffer = end));
      });
      offered.catch(failed);
    }),
  async endOffer() {
    endOffer();
    await offered;
  },
  stop: () => close?.(),
});

async function offer(say, pieces, bytes) {
  let most = 0;
  for (let index = 0; index < pieces; index++) {
    say('x'.repeat(bytes), index * bytes);
    most = Math.max(most, longestQueue());
    await new Promise((resolve) => setTimeout(resolve, 1));
    most = Math.max(most, longestQueue());
  }
  // What is put together leaves within this time.
  for (let look = 0; look < 100; look++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    most = Math.max(most, longestQueue());
  }
  return most;
}
