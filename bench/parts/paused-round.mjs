// One system, one server: a viewer that reads nothing while much is streamed to it, and what waits for it in the server.
import * as settings from './settings.mjs';
import { withServer } from './with-server.mjs';

const ROOM = 'paused';

export function runPausedRound(name) {
  return withServer(name, [], async ({ server, url, start }) => {
    const viewer = start('./paused-viewer.mjs', [name, url, ROOM]);
    await viewer.ask('join');
    await viewer.ask('pause');
    const { most } = await server.ask('offer', { room: ROOM, pieces: settings.offeredPieces, bytes: settings.offeredPieceBytes });
    await viewer.ask('resume');
    const offered = settings.offeredPieces * settings.offeredPieceBytes;
    const got = await viewer.ask('finished', offered);
    await server.ask('endOffer');
    return { offered, queuedBytes: most, got };
  });
}
