// node viewers.mjs SYSTEM URL ROOM: the light viewers of one room. Each puts the streamed text together by itself.
import { answer, cpu, now } from './child.mjs';
import { openLightSocket } from './light-socket.mjs';
import { giveUpMs, pieceLength, pieceOf, viewers } from './settings.mjs';
import { load } from './systems.mjs';

const [name, url, room] = process.argv.slice(2);
const system = await load(name, 'viewer');
const all = [];
/** What is being streamed: the whole text, how many have got each piece, and when the last of them had it. */
let text = '';
let seen = [];
let doneAt = [];
let over = 0;
let finished;
let whole;

async function join() {
  const viewer = { text: '', got: 0, begin: 0, bytes: 0, kept: 0, isDone: true };
  let welcome;
  const welcomed = new Promise((resolve) => (welcome = resolve));
  viewer.socket = await openLightSocket(system.addressOf(url, room), (message, socket) => {
    if (system.isWelcome?.(message)) return welcome();
    const at = now();
    let isOver = false;
    for (const part of system.streamedIn(message)) {
      if (part.isEnd) isOver = true;
      viewer.kept += part.kept ?? 0;
      if (part.text !== undefined) take(viewer, part, at);
    }
    // Where nothing tells the end of a stream, it is there with the last of its text.
    if (!system.tellsEnd) isOver = viewer.text.length === text.length;
    if (!isOver || viewer.isDone) return;
    viewer.isDone = true;
    viewer.bytes = socket.bytes - viewer.begin;
    over += 1;
    if (over === viewers) finished();
  });
  for (const message of await system.greet(room)) viewer.socket.send(message);
  if (system.isWelcome) await welcomed;
  all.push(viewer);
}

/** What was missed leaves a hole, so that the text that comes of it is not the one that was streamed. */
function take(viewer, { offset, text: piece }, at) {
  viewer.text = viewer.text.slice(0, offset).padEnd(offset, '\0') + piece;
  for (; (viewer.got + 1) * pieceLength <= viewer.text.length; viewer.got++) {
    seen[viewer.got] = (seen[viewer.got] ?? 0) + 1;
    if (seen[viewer.got] === viewers) doneAt[viewer.got] = at;
  }
}

answer({
  async join() {
    for (let count = 0; count < viewers; count++) await join();
  },
  /** To be asked before the stream: how many pieces it will have. */
  expect(total) {
    text = Array.from({ length: total }, (_, index) => pieceOf(index)).join('');
    [seen, doneAt, over] = [[], [], 0];
    for (const viewer of all) Object.assign(viewer, { text: '', got: 0, begin: viewer.socket.bytes, bytes: 0, kept: 0, isDone: false });
    whole = new Promise((resolve) => (finished = resolve));
  },
  /** Waits until it is over for all of them: when the last had each piece, what each got, who has exactly the text. */
  async finished() {
    // Who has lost the end would wait for ever.
    const giveUp = setTimeout(finished, giveUpMs);
    await whole;
    clearTimeout(giveUp);
    return {
      doneAt,
      bytes: all.map((viewer) => viewer.bytes),
      kept: all.map((viewer) => viewer.kept),
      whole: all.filter((viewer) => viewer.text === text).length,
    };
  },
  cpu,
});
