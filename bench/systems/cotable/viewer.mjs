import { framesOf } from './frames.mjs';

export { addressOf, greet, isWelcome } from './reader.mjs';

const ENTRIES = 18;
const DELTA = 24;
const STREAM_END = 25;

export const tellsEnd = true;

/** Pieces of the text, its end, and how many bytes were there to keep rows: the empty one, and the one with the text. */
export function* streamedIn(message) {
  for (const { type, bytes, body } of framesOf(message)) {
    if (type === ENTRIES) yield { kept: bytes };
    else if (type === STREAM_END) yield { isEnd: true };
    else if (type === DELTA) yield deltaIn(body);
  }
}

function deltaIn(body) {
  // The run that speaks.
  body.skip();
  return { offset: body.number(), text: body.text() };
}
