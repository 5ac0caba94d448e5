// One system, one server: a stream of small pieces to many viewers, as fast as it goes and at the pace of a model.
import { medianOf } from './figures.mjs';
import * as settings from './settings.mjs';
import { withServer } from './with-server.mjs';

const ROOM = 'streams';

export function runStreamRound(name, { execArgv = [] } = {}) {
  return withServer(name, execArgv, async ({ server, url, start }) => {
    const viewers = start('./viewers.mjs', [name, url, ROOM]);
    await viewers.ask('join');
    const fast = { total: settings.pieces };
    const paced = { total: settings.pacedPieces, perSecond: settings.piecesPerSecond };
    // Each once before: whoever sends little for all of it has little compiled by then.
    for (const warmUp of [fast, paced]) await measureStream(server, viewers, warmUp);
    return { fast: await measureStream(server, viewers, fast), paced: await measureStream(server, viewers, paced) };
  });
}

async function measureStream(server, viewers, { total, perSecond }) {
  await viewers.ask('expect', total);
  const before = await server.ask('cpu');
  const viewersBefore = await viewers.ask('cpu');
  const [begun, seen] = await Promise.all([server.ask('stream', { room: ROOM, total, perSecond }), viewers.ask('finished')]);
  const cpuMs = (await server.ask('cpu')) - before;
  const ms = seen.doneAt.at(-1) - begun[0];
  const characters = total * settings.pieceLength;
  return {
    viewersWithAllOfIt: seen.whole,
    bytesPerCharacter: (medianOf(seen.bytes) - medianOf(seen.kept)) / characters,
    /** What comes besides, when the text is kept as a row. */
    keptBytesPerCharacter: medianOf(seen.kept) / characters,
    ms,
    lastViewerMs: medianOf(seen.doneAt.map((at, index) => at - begun[index])),
    cpuMs,
    cpuMicrosPerDelivery: (cpuMs * 1_000) / (total * settings.viewers),
    load: { server: cpuMs / ms, viewers: ((await viewers.ask('cpu')) - viewersBefore) / ms },
  };
}
