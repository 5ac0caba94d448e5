// node paused-viewer.mjs SYSTEM URL ROOM: one light viewer that stops reading when it is told to.
import { answer } from './child.mjs';
import { openLightSocket } from './light-socket.mjs';
import { giveUpMs } from './settings.mjs';
import { load } from './systems.mjs';

const [name, url, room] = process.argv.slice(2);
const system = await load(name, 'viewer');
let socket;
/** How far the text has come without a hole. */
let length = 0;

answer({
  async join() {
    let welcome;
    const welcomed = new Promise((resolve) => (welcome = resolve));
    socket = await openLightSocket(system.addressOf(url, room), (message) => {
      if (system.isWelcome?.(message)) return welcome();
      for (const { offset, text } of system.streamedIn(message)) {
        if (text !== undefined && offset <= length) length = Math.max(length, offset + text.length);
      }
    });
    for (const message of await system.greet(room)) socket.send(message);
    if (system.isWelcome) await welcomed;
  },
  pause: () => socket.pause(),
  resume: () => socket.resume(),
  /** How much of the text it has, once that is all or it has waited long enough. */
  async finished(offered) {
    for (let waited = 0; length < offered && waited < giveUpMs; waited += 50) await new Promise((resolve) => setTimeout(resolve, 50));
    return length;
  },
});
