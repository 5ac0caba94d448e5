// One system, one server: everything that is measured on it about writes.
import { medianOf } from './figures.mjs';
import * as settings from './settings.mjs';
import { systems } from './systems.mjs';
import { withServer } from './with-server.mjs';

export function runRound(name, { execArgv = [], onlyDeliveries = false } = {}) {
  const { hasRooms } = systems[name];
  return withServer(name, execArgv, async ({ server, url, start }) => {
    const deliveries = await measureDeliveries(name, url, server, start);
    const join = hasRooms && !onlyDeliveries ? await measureJoin(name, url, server, start) : undefined;
    return { ...deliveries, ...join };
  });
}

async function measureDeliveries(name, url, server, start) {
  const { readers: readerCount, warmUpWrites, burstWrites, pacedWrites, pacedPerSecond } = settings;
  const readers = start('./readers.mjs', [name, url, 'deliveries']);
  const writer = start('./client.mjs', [name, url, 'deliveries']);
  await readers.ask('join');
  await writer.ask('join', 0);
  let written = 0;

  async function measure(kind, count, perSecond) {
    const from = written;
    const total = (written += count);
    await readers.ask('expect', total);
    const before = await cpuOf(server, readers, writer);
    const [begun, done] = await Promise.all([writer.ask(kind, { from, total, perSecond }), readers.ask('finished', from)]);
    const after = await cpuOf(server, readers, writer);
    const seconds = (done.at(-1) - begun[0]) / 1_000;
    const deliveries = count * readerCount;
    return {
      deliveriesPerSecond: deliveries / seconds,
      lastReaderMs: medianOf(done.map((at, index) => at - begun[index])),
      deliveriesPerCpuSecond: deliveries / ((after.server - before.server) / 1_000),
      cpuMicrosPerDelivery: ((after.server - before.server) * 1_000) / deliveries,
      /** How busy each process was, 1 being a whole core: who was the bottleneck. */
      load: {
        server: (after.server - before.server) / seconds / 1_000,
        readers: (after.readers - before.readers) / seconds / 1_000,
        writer: (after.writer - before.writer) / seconds / 1_000,
      },
    };
  }

  await measure('burst', warmUpWrites);
  const burst = await measure('burst', burstWrites);
  const paced = await measure('paced', pacedWrites, pacedPerSecond);
  await writer.stop();
  await readers.stop();
  return { burst, paced };
}

async function cpuOf(server, readers, writer) {
  const [ofServer, ofReaders, ofWriter] = await Promise.all([server.ask('cpu'), readers.ask('cpu'), writer.ask('cpu')]);
  return { server: ofServer, readers: ofReaders, writer: ofWriter };
}

/**
 * A room is filled by a real client, write by write; then real clients that have nothing join, each in a fresh process.
 * The one that filled it stays: Hocuspocus forgets a room that nobody is in.
 */
async function measureJoin(name, url, server, start) {
  const { rows, joins } = settings;
  const filler = start('./client.mjs', [name, url, 'join']);
  await filler.ask('join', 0);
  await filler.ask('burst', { from: 0, total: rows });
  await filler.ask('settled');
  const joined = [];
  for (let count = 0; count <= joins; count++) {
    const client = start('./client.mjs', [name, url, 'join']);
    joined.push(await client.ask('join', rows));
    await client.stop();
  }
  const [first, ...later] = joined;
  const median = (key) => medianOf(later.map((one) => one[key]));
  return {
    join: { firstMs: first.ms, ms: median('ms'), cpuMs: median('cpuMs'), bytes: median('bytes') },
    serverMemoryBytes: await server.ask('memory'),
  };
}
