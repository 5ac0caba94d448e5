import { now } from './child.mjs';

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
const turn = () => new Promise((resume) => setImmediate(resume));

/** Acts as fast as it can, with a turn of the event loop after each few. Tells when each act began. */
export async function atFullSpeed({ from = 0, total, perTurn }, act) {
  const begun = [];
  for (let index = from; index < total; index++) {
    begun.push(now());
    act(index);
    if (index % perTurn === perTurn - 1) await turn();
  }
  return begun;
}

/** Acts so many times a second; a pause that was too long is made up for. Tells when each act began. */
export async function atPace({ from = 0, total, perSecond }, act) {
  const begun = [];
  const start = now();
  for (let index = from; index < total; index++) {
    const wait = start + ((index - from) * 1_000) / perSecond - now();
    if (wait > 0) await pause(wait);
    begun.push(now());
    act(index);
  }
  return begun;
}
