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

/** The same as servers of a stream, and what the server does with each piece. */
export const streamed = {
  cotable: { title: 'Cotable', way: 'a stream of a durable action, shown in a cell; the row that keeps the text ends it' },
  'y-websocket': { title: 'y-websocket', way: 'an awareness state `{ offset, delta }` of the server itself' },
  'y-websocket-whole': { title: 'y-websocket, whole text', way: 'an awareness state `{ text }` of the server itself' },
  hocuspocus: { title: 'Hocuspocus', way: 'a stateless broadcast `{ offset, delta }`' },
  'raw-ws': { title: 'ws, bare', way: 'a message to each socket: four bytes of offset, and the piece' },
};

/** One role of a system, `server`, `client`, `reader` or `viewer`: a process loads nothing that it does not run. */
export const load = (name, role) => import(`../systems/${name}/${role}.mjs`);
