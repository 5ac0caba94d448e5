// node client.mjs SYSTEM URL ROOM: one real client.
import { answer, cpu, now } from './child.mjs';
import { atFullSpeed, atPace } from './pace.mjs';
import { load } from './systems.mjs';

const [name, url, room] = process.argv.slice(2);
const system = await load(name, 'client');
let client;

const write = (index) => client.write(index);

answer({
  /** Joins, and waits until all rows of the room can be read. */
  async join(rows) {
    const started = now();
    const before = cpu();
    client = await system.openClient(url, room);
    if (rows > 0) await client.holds(rows);
    return { ms: now() - started, cpuMs: cpu() - before, bytes: client.bytes?.() };
  },
  /** Writes as fast as the client takes it. Tells when each write began. */
  burst: ({ from, total }) => atFullSpeed({ from, total, perTurn: 20 }, write),
  paced: ({ from, total, perSecond }) => atPace({ from, total, perSecond }, write),
  settled: () => client.settled(),
  cpu,
  stop: () => client?.close(),
});
