// node server.mjs SYSTEM FOLDER: one server, and what it has cost so far.
import { answer, cpu } from './child.mjs';
import { load } from './systems.mjs';

const [name, folder] = process.argv.slice(2);
const system = await load(name, 'server');
const { url, close } = await system.serve(folder);

answer({
  url: () => url,
  cpu,
  memory: () => process.memoryUsage().rss,
  stop: () => close?.(),
});
