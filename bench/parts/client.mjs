// node client.mjs SYSTEM URL ROOM: one real client.
import { answer, cpu, now } from './child.mjs';
import { load } from './systems.mjs';

const [name, url, room] = process.argv.slice(2);
const system = await load(name, 'client');
let client;

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
const turn = () => new Promise((resume) => setImmediate(resume));

answer({
  /** Joins, and waits until all rows of the room can be read. */
  async join(rows) {
    const started = now();
    const before = cpu();
    client = await system.openClient(url, room);
    if (rows > 0) await client.holds(rows);
    return { ms: now() - started, cpuMs: cpu() - before, bytes: client.bytes?.() };
  },
  /** Writes as fast as the client takes it, with a turn of the event loop after each few. Tells when each write began. */
  async burst({ from, total }) {
    const begun = [];
    for (let index = from; index < total; index++) {
      begun.push(now());
      client.write(index);
      if (index % 20 === 19) await turn();
    }
    return begun;
  },
  async paced({ from, total, perSecond }) {
    const begun = [];
    const start = now();
    for (let index = from; index < total; index++) {
      const wait = start + ((index - from) * 1_000) / perSecond - now();
      if (wait > 0) await pause(wait);
      begun.push(now());
      client.write(index);
    }
    return begun;
  },
  settled: () => client.settled(),
  cpu,
  stop: () => client?.close(),
});
