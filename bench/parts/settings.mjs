/** All that one might want to change. Smaller figures are for trying the bench itself: `npm run bench -- --quick`. */
const isQuick = process.argv.includes('--quick') || process.env.COTABLE_BENCH_QUICK === '1';
if (isQuick) process.env.COTABLE_BENCH_QUICK = '1';

export const rounds = isQuick ? 1 : 3;
export const readers = 100;
export const valueBytes = 200;
/** Before anything is measured, on the same server. */
export const warmUpWrites = isQuick ? 200 : 1_000;
export const burstWrites = isQuick ? 1_000 : 5_000;
export const pacedWrites = isQuick ? 50 : 300;
export const pacedPerSecond = 50;
export const rows = isQuick ? 1_000 : 10_000;
export const joins = isQuick ? 2 : 4;

/** The text of write number `index`: no two are equal, all are of one length. */
export function valueOf(index) {
  return String(index).padStart(12, '0').padEnd(valueBytes, 'abcdefghijklmnopqrst');
}

export const viewers = 100;
export const pieceLength = 5;
export const pieces = isQuick ? 200 : 1_000;
export const pacedPieces = isQuick ? 50 : 1_000;
export const piecesPerSecond = 200;
/** What is offered to a viewer that reads nothing: 48 MB. */
export const offeredPieces = isQuick ? 120 : 480;
export const offeredPieceBytes = 100_000;
/** A stream that is not over by then has lost something on its way. */
export const giveUpMs = 20_000;

/** Piece number `index` of a streamed text: no two that are near each other are equal. */
export function pieceOf(index) {
  return `${String(index % 10_000).padStart(pieceLength - 1, '0')} `;
}
