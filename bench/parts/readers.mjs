// node readers.mjs SYSTEM URL ROOM: the light readers of one room. Notes when the last of them has got each write.
import { answer, cpu, now } from './child.mjs';
import { openLightSocket } from './light-socket.mjs';
import { readers, valueOf } from './settings.mjs';
import { load } from './systems.mjs';

const [name, url, room] = process.argv.slice(2);
const system = await load(name, 'reader');
/** How many readers have got write number `index`, and when the last one had it. */
const seen = [];
const doneAt = [];
let expected = 0;
let finished;
let whole;

async function join() {
  let got = 0;
  let welcome;
  const welcomed = new Promise((resolve) => (welcome = resolve));
  const socket = await openLightSocket(system.addressOf(url, room), (message) => {
    if (system.isWelcome?.(message)) return welcome();
    const at = now();
    const deliveries = system.deliveriesIn(message);
    if (deliveries === 0) return;
    for (let rest = deliveries; rest > 0; rest--) {
      seen[got] = (seen[got] ?? 0) + 1;
      if (seen[got] === readers) doneAt[got] = at;
      got += 1;
    }
    if (got !== expected) return;
    // Counting is believed only when the last value is there to be seen.
    if (!message.includes(valueOf(expected - 1))) throw new Error('a reader counted to the end, and has not got the last value');
    if (seen[expected - 1] === readers) finished();
  });
  for (const message of await system.greet(room)) socket.send(message);
  if (system.isWelcome) await welcomed;
}

answer({
  async join() {
    for (let count = 0; count < readers; count++) await join();
  },
  /** To be asked before the writes: how many there will have been by the end of them. */
  expect(total) {
    expected = total;
    whole = new Promise((resolve) => (finished = resolve));
  },
  /** Waits until all readers have got that many; tells when they had each, from `from` on. */
  async finished(from) {
    await whole;
    return doneAt.slice(from);
  },
  cpu,
});
