// node test/attacks/make.mjs && npm run format     writes test/attacks/corpus: what is sent, which rule it breaks, which code it gets
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { attacks, writtenOf } from './attacks.mjs';

const folder = new URL('corpus/', import.meta.url);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);

for (const [name, attack] of Object.entries(attacks)) {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(writtenOf(attack), undefined, 2)}\n`);
}
