import { mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.mjs';

/** Databases lie on the disk of the repository: where a folder for temporary files lies in memory, an fsync costs nothing. */
const folder = fileURLToPath(new URL('../.data', import.meta.url));

/** Measures something on a fresh server of a system. `start` starts further processes, which end with it. */
export async function withServer(name, execArgv, measure) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const children = [];
  const start = (...args) => {
    const child = startChild(...args);
    children.push(child);
    return child;
  };
  try {
    const server = start('./server.mjs', [name, folder], execArgv);
    return await measure({ server, url: await server.ask('url'), start });
  } finally {
    // The server last: clients would try to come back to it.
    for (const child of children.reverse()) await child.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
