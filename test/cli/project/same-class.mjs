// node same-class.mjs LOAD-BACKEND.js BACKEND.ts: whether the class that a backend imported is the one that Node finds here.
import { CotableError } from 'cotable';

const [loader, file] = process.argv.slice(2);
const { loadBackend } = await import(loader);
const backend = await loadBackend(file);
process.stdout.write(String(backend.CotableError === CotableError));
