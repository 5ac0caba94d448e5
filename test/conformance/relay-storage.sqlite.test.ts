import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { sqlite } from 'cotable/adapters/sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RelayStorage } from '../../src/ports/relay-storage.ts';
import { acceptance, BIRTH, codeOf, filledRoom, run } from './relay-storage.fixtures.ts';
import { relayStorageSuite } from './relay-storage.suite.ts';
import { driver, openRival } from './sqlite-rival.ts';

async function tempFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'cotable-sqlite-'));
}

relayStorageSuite('sqlite', async () => {
  const folder = await tempFolder();
  return { open: async () => sqlite(join(folder, 'relay.db')), cleanup: () => rm(folder, { recursive: true }) };
});

describe('sqlite', () => {
  let folder: string;
  let file: string;
  const storages: RelayStorage[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await tempFolder();
    file = join(folder, 'relay.db');
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(storages.splice(0).map((storage) => storage.close()));
    await rm(folder, { recursive: true });
  });

  function opened(at = file, busyTimeoutMs?: number): RelayStorage {
    const storage = sqlite(at, busyTimeoutMs === undefined ? {} : { busyTimeoutMs });
    storages.push(storage);
    return storage;
  }

  /** A program of `fixtures` in a process of its own, and what it says. */
  function started(
    fixture: string,
    args: readonly string[],
    options: { readonly nodeArgs?: readonly string[]; readonly env?: object } = {},
  ) {
    const env = { ...process.env, ...options.env };
    const child = spawn(process.execPath, [...(options.nodeArgs ?? []), fixturePath(fixture), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const said = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    return { child, said };
  }

  /** Two rounds of calls, with the connection of the worker tapped: a line for each commit and one for each round. */
  async function roundsWith(env: object): Promise<readonly string[]> {
    const { child, said } = started('sqlite-groups.mjs', [file], {
      nodeArgs: ['--require', fixturePath('sqlite-tap.cjs')],
      env: { TAP_DRIVER: driver, ...env },
    });
    expect(await once(child, 'close'), said.err).toEqual([0, null]);
    return said.out.trimEnd().split('\n');
  }

  async function refusalOf(call: Promise<unknown>): Promise<string> {
    return call.then(
      () => 'resolved',
      (error: Error & { readonly code: string }) => `${error.code}: ${error.message}`,
    );
  }

  it('[SQ1] the description names the driver and the path', () => {
    expect(opened(':memory:').description).toBe(`SQLite (${driver}) :memory:`);
    const storage = opened();
    expect(storage.description).toBe(`SQLite (${driver}) ${file}`);
    expect(storage.description).toContain(process.env.COTABLE_EXPECT_DRIVER ?? '');
  });

  it('[SQ2] the file is made with its folders, and :memory: needs none', async () => {
    const deep = join(folder, 'some/deep folder/relay.db');
    await filledRoom(opened(deep), 'room', 2);
    expect(existsSync(deep)).toBe(true);
    const memory = opened(':memory:');
    await filledRoom(memory, 'room', 2);
    expect((await memory.openRoom('room', BIRTH)).head).toBe(2);
    expect(existsSync(':memory:')).toBe(false);
  });

  it('[SQ15] after close the one file holds everything', async () => {
    const storage = opened();
    await filledRoom(storage, 'room', 2);
    await storage.close();
    expect(await readdir(folder)).toEqual(['relay.db']);
  });

  it('[SQ3] a connection writes ahead and syncs at each commit', async () => {
    const commits = (await roundsWith({})).filter((line) => line.startsWith('commit'));
    expect(commits.length).toBeGreaterThan(2);
    expect([...new Set(commits)]).toEqual(['commit journal_mode=wal synchronous=2 fullfsync=1 checkpoint_fullfsync=1 busy_timeout=5000']);
  });

  it('[SQ4] calls made while a commit is under way share the next', async () => {
    const storage = opened();
    const rooms = Array.from({ length: 64 }, (_, index) => `room ${index}`);
    await Promise.all(rooms.map((room) => storage.openRoom(room, BIRTH)));
    const before = commitsIn(await readFile(`${file}-wal`));
    await Promise.all(rooms.map((room) => storage.accept(room, { epoch: 1, after: 0 }, [acceptance(1)])));
    const commits = commitsIn(await readFile(`${file}-wal`)) - before;
    expect(commits).toBeGreaterThan(0);
    expect(commits).toBeLessThan(32);
  });

  it('[SQ5] a call that fails is undone alone, and the others share one commit', async () => {
    const lines = await roundsWith({});
    // The first commit makes the tables.
    expect(lines.slice(0, 3)).toEqual([lines[0], lines[1], 'kept kept storage.conflict kept 2']);
    expect(lines.at(-1)).toBe('kept storage.conflict storage.conflict kept 3');
  });

  it('[SQ6] when the commit fails every call of the group fails, nothing is kept, and the next group goes on', async () => {
    const lines = await roundsWith({ FAIL_COMMIT: '2' });
    expect(lines[2]).toBe(Array(5).fill('storage.unavailable').join(' '));
    expect(lines.at(-1)).toBe('kept kept kept kept 3');
  });

  it('[SQ7] what was acknowledged survives SIGKILL', { timeout: 30_000 }, async () => {
    let kept = 0;
    for (const replica of [1, 2, 3]) {
      const { child, said } = started('sqlite-appender.mjs', [file, String(replica)]);
      child.stdout.on('data', () => {
        if (said.out.split('\n').length > 150) child.kill('SIGKILL');
      });
      expect([...(await once(child, 'close')), said.err]).toEqual([null, 'SIGKILL', '']);
      // The last line counts only when all of it was printed.
      const seqs = said.out.slice(0, said.out.lastIndexOf('\n')).split('\n').map(Number);
      const storage = sqlite(file);
      const entries = await storage.entries('room', 0, Infinity);
      const { head } = await storage.openRoom('room', BIRTH);
      expect(head).toBeGreaterThanOrEqual(seqs.at(-1)!);
      expect(seqs[0]).toBe(kept + 3);
      expect(head % 3).toBe(0);
      expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, index) => index + 1));
      expect(entries.every(({ seq, bytes }) => bytes.length === 200 && bytes[0] === seq % 256 && bytes[199] === seq % 256)).toBe(true);
      const marks = await storage.outcomes(
        'room',
        seqs.map((counter) => ({ replica, counter })),
      );
      expect(marks).toEqual(seqs.map((seq) => ({ seq })));
      expect((await storage.writers('room', [replica]))[0]?.last).toBe(head - kept);
      await storage.close();
      kept = head;
    }
  });

  it('[SQ8] a worker that dies rejects the calls it owed and all later ones, and close still ends', async () => {
    const post = vi.spyOn(Worker.prototype, 'postMessage');
    const storage = opened();
    await storage.openRoom('room', BIRTH);
    const worker = post.mock.contexts[0] as Worker;
    const ended = worker.terminate();
    const owed = [storage.accept('room', { epoch: 1, after: 0 }, [acceptance(1)]), storage.entries('room', 0, 9)];
    expect(await Promise.all(owed.map(refusalOf))).toEqual([
      expect.stringContaining('storage.unavailable: The storage does not answer'),
      expect.stringContaining('the worker thread ended with code 1'),
    ]);
    await ended;
    expect(await codeOf(storage.openRoom('room', BIRTH))).toBe('storage.unavailable');
    await storage.close();
    expect(await codeOf(storage.openRoom('room', BIRTH))).toBe('storage.closed');
    expect((await opened().openRoom('room', BIRTH)).lineage).toBe(BIRTH.lineage);
  });

  it('[SQ9] an open call keeps the process alive, an idle storage does not', { timeout: 30_000 }, async () => {
    const { child, said } = started('sqlite-idle.mjs', [file]);
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said).toEqual({ out: 'lineage 5\n', err: '' });
  });

  it('[SQ10] a file of another format, of another program, or that is no database is refused and left as it is', async () => {
    const other = openRival(join(folder, 'other.db'));
    other.exec('CREATE TABLE customers (id INTEGER)');
    other.close();
    expect(await refusalOf(opened(join(folder, 'other.db')).openRoom('room', BIRTH))).toContain("it has a table 'customers'");

    await opened().openRoom('room', BIRTH);
    const newer = openRival(file);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    expect(await refusalOf(opened().openRoom('room', BIRTH))).toMatch(/^storage\.unavailable: .*newer version of Cotable \(format 99/);

    const older = openRival(file);
    older.exec('PRAGMA user_version = 5');
    older.close();
    expect(await refusalOf(opened().openRoom('room', BIRTH))).toMatch(/^storage\.unavailable: .*before the first release.*\(format 5/);

    await writeFile(join(folder, 'text.db'), 'no database at all '.repeat(500));
    expect(await refusalOf(opened(join(folder, 'text.db')).openRoom('room', BIRTH))).toMatch(/^storage\.corrupt: .*text\.db/);
    expect(await codeOf(opened(folder).openRoom('room', BIRTH))).toBe('storage.unavailable');
  });

  it('[SQ17] a file of format 6 is opened with all that it holds, by several at once too, and is of the present format then', async () => {
    const old = openRival(file);
    old.exec(await readFile(fixturePath('sqlite-format-6.sql'), 'utf8'));
    old.close();
    const [storage, other] = [opened(), opened()];
    const [born] = await Promise.all([storage.openRoom('room', BIRTH), other.openRoom('room', BIRTH)]);
    expect(born).toMatchObject({ lineage: 5, head: 1 });
    expect(await storage.entries('room', 0, 9)).toEqual([{ seq: 1, bytes: new Uint8Array([1, 2, 3]) }]);
    const { runs } = await other.listRuns({}, undefined, 9);
    expect(runs.map(({ id, status, lane, session }) => [id, status, lane, session])).toEqual([
      ['queued', 'queued', undefined, undefined],
      ['keyed', 'queued', 'lane', undefined],
      ['at work', 'running', undefined, undefined],
    ]);
    expect(await storage.step('room', 'at work', 'step')).toBe('1');
    const next = { ...run('next', 60), session: '{"role":"guest"}' };
    expect(await storage.queueRun('room', next)).toMatchObject({ session: next.session });
    const later = openRival(file);
    // Nothing is left to be done to it.
    expect(() => later.exec('ALTER TABLE runs ADD COLUMN session TEXT')).toThrow(/duplicate column/);
    later.close();
  });

  it('[SQ11] while another process writes for too long calls are storage.unavailable, and work again afterwards', async () => {
    const storage = opened(file, 20);
    await filledRoom(storage, 'room', 1);
    const rival = openRival(file);
    rival.exec('BEGIN IMMEDIATE');
    const next = () => storage.accept('room', { epoch: 1, after: 1 }, [acceptance(2)]);
    expect(await codeOf(next())).toBe('storage.unavailable');
    expect(await storage.entries('room', 0, 9)).toHaveLength(1);
    rival.exec('ROLLBACK');
    rival.close();
    await next();
  });

  it('[SQ12] without any driver the error says what to install', async () => {
    const dist = join(import.meta.dirname, '../../dist');
    await cp(join(dist, 'adapters/sqlite'), join(folder, 'adapters/sqlite'), { recursive: true });
    for (const name of ['catalogue.js', 'errors.js']) await cp(join(dist, 'src', name), join(folder, 'src', name));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    const { child, said } = started('sqlite-without-driver.mjs', [folder]);
    await once(child, 'close');
    expect(said.out, said.err).toMatch(/^storage\.unavailable: .*npm install libsql.*Node 22\.13/);
  });

  it('[SQ13] a full disk is storage.quota and leaves nothing of the group behind', async () => {
    const lines = await roundsWith({ MAX_PAGES: '60' });
    // SQLite gives up the whole transaction, and so the calls that shared it.
    expect(lines[1]).toBe(Array(5).fill('storage.quota').join(' '));
    expect(lines.at(-1)).toBe('kept kept kept kept 3');
  });
});

function fixturePath(name: string): string {
  return join(import.meta.dirname, '../fixtures', name);
}

/** Counts the commits in a write-ahead log: the frames that carry the size of the database, up to the first of an older log. */
function commitsIn(log: Buffer): number {
  const pageSize = log.readUInt32BE(8);
  const salts = log.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + 24 + pageSize <= log.length && log.subarray(at + 8, at + 16).equals(salts); at += 24 + pageSize) {
    if (log.readUInt32BE(at + 4) !== 0) commits++;
  }
  return commits;
}
