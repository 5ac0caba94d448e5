import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createStore } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { createGateProbe } from 'cotable/testing';
import { webSocket } from 'cotable/transports/websocket';
import * as decoding from 'lib0/decoding';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { mutators, schema } from '../fixtures/notes.mjs';
import { rawLink, TYPES } from '../wire/raw-link.ts';
import { attacks as generated, writtenOf, type Attack } from './attacks.mjs';

const folder = new URL('corpus/', import.meta.url);
const attacks = new Map<string, Attack>(
  readdirSync(folder).map((name) => [name.replace('.json', ''), JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Attack]),
);
const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));

/** A relay whose room has the birth that the corpus is made for, and a good store in that room. */
async function scene() {
  const storage = memoryRelayStorage();
  await storage.openRoom('room', { lineage: 7, epoch: 1, schemaVersion: 1 });
  const relay = createRelay({ backend: { schema, mutators }, storage });
  onTestFinished(() => relay.close());
  const { url } = await relay.listen();
  const transports = [webSocket(url, { WebSocket })];
  const good = createStore({ schema, mutators, room: 'room', userId: 'ann', storage: memoryClientStorage(), transports });
  onTestFinished(() => good.close());
  const states: string[] = [];
  await (
    await good.mutate.write({ id: 'mine', text: 'safe' })
  ).confirmed;
  good.status$.subscribe(({ state }) => states.push(state));
  return { storage, url, good, states };
}

describe('the corpus of attacks', () => {
  for (const [name, { code, rule, before, greeting, message }] of attacks) {
    it(`[AT1] ${name}: the link is closed with ${code}, and nobody else notices`, async () => {
      const { storage, url, good, states } = await scene();
      const link = await rawLink(url);
      link.sendBytes(bytesOf(greeting));
      await expect.poll(() => link.bodies(TYPES.welcome).length).toBe(1);
      for (const [index, bytes] of before.entries()) {
        link.sendBytes(bytesOf(bytes));
        await expect.poll(async () => (await storage.entries('room', 0, 100)).length).toBe(index + 2);
      }
      if (before.length > 0) await expect.poll(() => good.table('notes').has('x')).toBe(true);
      const log = await storage.entries('room', 0, 100);
      const rows = good.table('notes').list();
      link.sendBytes(bytesOf(message));
      expect(await link.closed).toEqual({ code: 4000, reason: code, failed: code });
      const [failed] = link.bodies(TYPES.failed);
      if (!failed) throw new Error('no last words');
      const [, params = ''] = [decoding.readVarString(failed), decoding.readVarString(failed)];
      if (rule !== undefined) expect((JSON.parse(params) as { rule?: string }).rule).toBe(rule);
      expect(await storage.entries('room', 0, 100)).toEqual(log);
      expect(good.table('notes').list()).toEqual(rows);
      await (
        await good.mutate.write({ id: 'zz', text: 'still here' })
      ).confirmed;
      expect(states).toEqual(states.filter((state) => state === 'online'));
    });
  }

  it('[AT2] has at least one attack for each danger that was measured, and for each rule of the gate', () => {
    const hazards = new Set([...attacks.values()].map(({ hazard }) => hazard));
    expect([...hazards].toSorted()).toEqual(['1', '15', '17', '18', '19', '3', '4', '6', '7', '9', 'gate']);
    const source = ['read-update', 'update'].map((file) => readFileSync(new URL(`../../src/doc/${file}.ts`, import.meta.url), 'utf8'));
    const rules = new Set([...source.join('').matchAll(/refuse\('([^']+)'/g)].map(([, rule]) => rule));
    const broken = new Set([...attacks.values()].map(({ rule }) => rule));
    // A writer with two thousand million items fits no test over a socket.
    const unreached = new Set([...rules].filter((rule) => !broken.has(rule)));
    expect(unreached).toEqual(new Set(['clocks end below 2^31']));
  });

  it('[AT3] is what its generator makes', () => {
    // A rule that is not there is left out of a file.
    const made = Object.entries(generated).map(([name, attack]) => [name, JSON.parse(JSON.stringify(writtenOf(attack)))]);
    expect(Object.fromEntries(attacks)).toEqual(Object.fromEntries(made));
  });
});

function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  const at = least.findIndex((part, index) => version[index] !== part);
  return at < 0 || (version[at] ?? 0) > (least[at] ?? 0);
}

describe('the gate', () => {
  /** An update of nothing but a header. */
  const claims = (...numbers: number[]): Uint8Array => {
    const bytes: number[] = [];
    for (let number of numbers) {
      for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) + 128);
      bytes.push(number);
    }
    return new Uint8Array(bytes);
  };

  it('[GA1] refuses what claims too much before anything is made for it', () => {
    const probe = createGateProbe('notes');
    for (const header of [
      claims(1, 33_000_000, 88),
      claims(0, 33_000_000),
      claims(0, 1, 88, 33_000_000),
      claims(0, 1, 88, 1, 0, 33_000_000),
    ]) {
      const before = process.memoryUsage();
      for (let time = 0; time < 50; time++) expect(() => probe.judge(88, 1, header)).toThrow('no more structs and ranges than allowed');
      // One of them in memory would be 264 MB.
      expect(process.memoryUsage().rss - before.rss).toBeLessThan(100e6);
    }
  });

  it('[GA2] lets no clock go beyond what Yjs can count', () => {
    const probe = createGateProbe('notes');
    // A writer that is nearly there: one deleted item of great length.
    probe.apply(new Uint8Array([1, 1, 88, 0, 0, ...claims(2 ** 31 - 2), 0]));
    const item = [0x28, 1, 5, 110, 111, 116, 101, 115, 1, 120, 1, 117, 1, 125, 1];
    const from = (clock: number): Uint8Array => new Uint8Array([1, 1, 88, ...claims(clock), ...item, 0]);
    expect(probe.judge(88, 1, from(2 ** 31 - 2)).touched).toEqual(new Set(['x']));
    probe.apply(new Uint8Array([1, 1, 88, ...claims(2 ** 31 - 2), 0, 1, 0]));
    expect(() => probe.judge(88, 1, from(2 ** 31 - 1))).toThrow('clocks end below 2^31');
  });

  it('[GA7] stands on a lib0 and a ws that are safe, in every copy that is installed', () => {
    const atLeast = { lib0: [0, 2, 118], ws: [8, 21, 0] };
    const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
      packages: Record<string, { readonly version?: string }>;
    };
    const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const [name, least] of Object.entries(atLeast)) {
      const locked = Object.entries(packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
      const versions = [...locked.map(([, { version = '' }]) => version), dependencies[name]?.replace('^', '') ?? ''];
      expect(versions.length).toBeGreaterThan(1);
      for (const version of versions) expect(isAtLeast(version.split('.').map(Number), least), `${name} ${version}`).toBe(true);
    }
  });

  it('[GA8] is not put before a Yjs whose lib0 reads beyond its input: such a relay does not start', () => {
    const start = `
      import { memoryRelayStorage } from 'cotable/adapters/memory';
      import { createRelay } from 'cotable/relay';
      import { mutators, schema } from './test/fixtures/notes.mjs';
      await createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage() }).close();`;
    const run = (...options: string[]) =>
      spawnSync(process.execPath, [...options, '--input-type=module', '--eval', start], {
        cwd: new URL('../..', import.meta.url),
        encoding: 'utf8',
      });
    expect(run()).toMatchObject({ status: 0, stderr: '' });
    const unsafe = run('--import', './test/fixtures/unsafe-lib0.mjs');
    expect(unsafe.status).toBe(1);
    expect(unsafe.stderr).toContain('install lib0 0.2.118 or later');
  }, 30_000);

  it('[GA3] says of what it lets pass which cells are written and which are touched', () => {
    const probe = createGateProbe('notes');
    const first = new Uint8Array([1, 1, 88, 0, 0x28, 1, 5, 110, 111, 116, 101, 115, 1, 120, 1, 117, 1, 125, 1, 0]);
    expect(probe.judge(88, 1, first)).toEqual({ writes: new Map([['x', [1]]]), touched: new Set(['x']) });
    probe.apply(first);
    const takenOut = new Uint8Array([0, 1, 88, 1, 0, 1]);
    expect(probe.judge(88, 2, takenOut)).toEqual({ writes: new Map(), touched: new Set(['x']) });
    expect(probe.judge(5, 2, takenOut).touched).toEqual(new Set(['x']));
  });
});
