/** What is compared, in the order of the tables, and what each promises as it is set up here. */
export const systems = {
  cotable: {
    title: 'Cotable',
    promise: 'each write is on the disk of the relay (SQLite, WAL, synchronous=FULL) before it is acknowledged and before anybody sees it',
    hasRooms: true,
  },
  'y-websocket': {
    title: 'y-websocket',
    promise: 'nothing is kept: updates live in the memory of the server, which is its default',
    hasRooms: true,
  },
  hocuspocus: {
    title: 'Hocuspocus',
    promise: 'nothing is kept: no storage extension is installed (with one, it stores 2 s after a change)',
    hasRooms: true,
  },
  'raw-ws': {
    title: 'ws, bare',
    promise: 'nothing is kept, and nothing is known: a message is sent on to everybody else as it is',
    hasRooms: false,
  },
};

/** One role of a system, `server`, `client` or `reader`: a process loads nothing that it does not run. */
export const load = (name, role) => import(`../systems/${name}/${role}.mjs`);
