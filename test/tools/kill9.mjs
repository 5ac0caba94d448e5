// npm run kill9 -- --cycles 300     kills a real relay on a real SQLite file that often while stores write to it; one line when all
//                                   is as promised, otherwise what was not, and exit code 1
import { parseArgs } from 'node:util';
import { kill9 } from '../faults/kill9.mjs';

const { values } = parseArgs({ options: { cycles: { type: 'string' }, seed: { type: 'string' }, stack: { type: 'boolean' } } });
const seed = Number(values.seed ?? 1);

// What the product does not catch is a crash.
process.on('unhandledRejection', fail);
process.on('uncaughtException', fail);

try {
  const report = await kill9({ cycles: Number(values.cycles ?? 300), seed });
  console.log(
    Object.entries(report)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  );
} catch (error) {
  fail(error);
}
process.exit();

function fail(error) {
  console.error(values.stack ? error : `seed=${seed}: ${error.message}`);
  process.exit(1);
}
