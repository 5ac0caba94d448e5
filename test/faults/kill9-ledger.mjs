// What stores were told of their mutations, to be compared with what is on the relay's disk in the end.
export function createLedger() {
  const stored = new Map();
  const acked = new Set();
  const refused = new Set();
  let [reloads, lost, doubled] = [0, 0, 0];
  let violation;
  let hear = () => undefined;

  const violated = (what) => void (violation ??= what);

  return {
    violated,
    get violation() {
      return violation;
    },
    counts: () => ({ acked: acked.size, refused: refused.size, reloads, lost, doubled }),
    /** Calls `listener` with each acknowledgement from now on, in the place of the one before. */
    next: (listener) => void (hear = listener),
    reloaded: () => void (reloads += 1),
    stored: (room, id, isRefusable) => void stored.set(`${room} ${id}`, isRefusable),
    acked(room, id) {
      if (refused.has(`${room} ${id}`)) violated(`${id} was refused, and then acknowledged`);
      acked.add(`${room} ${id}`);
      hear();
    },
    refused(room, id, code) {
      if (acked.has(`${room} ${id}`)) violated(`${id} was acknowledged, and then refused`);
      if (code !== 'access.denied') violated(`${id} was refused with ${code}`);
      refused.add(`${room} ${id}`);
    },
    /** All mutations of a room that were made, as a storage names them. */
    keys: (room) => idsOf(room).map(toKey),
    /** `outcomes` are those of `keys`, `inLog` names the mutations of the log. */
    compare(room, inLog, outcomes) {
      const kept = new Set(inLog);
      doubled += inLog.length - kept.size;
      if (kept.size < inLog.length) violated(`${inLog.length - kept.size} mutations are in the log of ${room} twice`);
      idsOf(room).forEach((id, index) => {
        const name = `${room} ${id}`;
        const { replica, counter } = toKey(id);
        const isKept = kept.has(`${replica}.${counter}`);
        const isRefused = outcomes[index]?.refused !== undefined;
        if (refused.has(name) && (isKept || !isRefused)) violated(`${id} was refused, and the relay's disk says otherwise`);
        if (isRefused && !stored.get(name)) violated(`${id} is refused on disk, though nothing refuses it`);
        if (isKept || isRefused) return;
        lost += 1;
        violated(`${id} was ${acked.has(name) ? 'acknowledged' : 'stored on its device'}, and is lost`);
      });
    },
  };

  function idsOf(room) {
    const names = new Set([...stored.keys(), ...acked]);
    return [...names].filter((name) => name.startsWith(`${room} `)).map((name) => name.slice(room.length + 1));
  }
}

function toKey(id) {
  const [replica, counter] = id.split('-');
  return { replica: Number.parseInt(replica, 36), counter: Number(counter) };
}
