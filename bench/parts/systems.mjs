/** In the order of the tables. */
export const names = (process.env.ONLY?.split(',') ?? ['cotable', 'y-websocket', 'hocuspocus', 'raw-ws']);

/** A system is loaded only where it runs: its modules are part of what a process costs. */
export const load = (name) => import(`../systems/${name}.mjs`);
