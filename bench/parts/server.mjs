// node server.mjs SYSTEM FOLDER: one server, and what it has cost so far.
import { answer } from './child.mjs';
import { load } from './systems.mjs';

const [name, folder] = process.argv.slice(2);
const system = await load(name, 'server');
const { url, close } = await system.serve(folder);

answer({
  url: () => url,
  /** Milliseconds of processor time, all threads. */
  cpu: () => {
    const { user, system: kernel } = process.cpuUsage();
    return (user + kernel) / 1_000;
  },
  memory: () => process.memoryUsage().rss,
  stop: () => close?.(),
});
