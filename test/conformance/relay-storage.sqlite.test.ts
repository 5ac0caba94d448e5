import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { sqlite } from 'cotable/adapters/sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDatabase } from '../../adapters/sqlite/database.ts';
import { chooseDriver, type DriverName, openConnection } from '../../adapters/sqlite/driver.ts';
import type { RelayStorage } from '../../src/ports/relay-storage.ts';
import { acceptance, BIRTH, codeOf, filledRoom } from './relay-storage.fixtures.ts';
import { relayStorageSuite } from './relay-storage.suite.ts';

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
  const driver = chooseDriver();

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

  function started(fixture: string, ...args: string[]) {
    const script = join(import.meta.dirname, '../fixtures', fixture);
    const child = spawn(process.execPath, [script, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    const said = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    return { child, said };
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
    await filledRoom(opened(), 'room', 1);
    // `synchronous` belongs to a connection and is not in the file, so this asks one opened as the worker opens its own.
    const connection = openDatabase(driver, file, 5000);
    const pragma = (name: string): unknown => Object.values(connection.prepare<object>(`PRAGMA ${name}`).all()[0] ?? {})[0];
    expect([pragma('journal_mode'), pragma('synchronous'), pragma('busy_timeout')]).toEqual(['wal', 2, 5000]);
    expect([pragma('fullfsync'), pragma('checkpoint_fullfsync')]).toEqual([1, 1]);
    connection.close();
    const log = await readFile(`${file}-wal`);
    expect(commitsIn(log)).toBeGreaterThan(0);
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

  it('[SQ7] what was acknowledged survives SIGKILL', { timeout: 30_000 }, async () => {
    let kept = 0;
    for (const replica of [1, 2, 3]) {
      const { child, said } = started('sqlite-appender.mjs', String(replica));
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
    const { child, said } = started('sqlite-idle.mjs');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said).toEqual({ out: 'lineage 5\n', err: '' });
  });

  it('[SQ10] a file of a newer format, of another program, or that is no database is refused and left as it is', async () => {
    const other = openConnection(driver, join(folder, 'other.db'));
    other.exec('CREATE TABLE customers (id INTEGER)');
    other.close();
    expect(await refusalOf(opened(join(folder, 'other.db')).openRoom('room', BIRTH))).toContain("it has a table 'customers'");

    await opened().openRoom('room', BIRTH);
    const newer = openConnection(driver, file);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    expect(await refusalOf(opened().openRoom('room', BIRTH))).toMatch(/^storage\.unavailable: .*newer version of Cotable \(format 99/);

    await writeFile(join(folder, 'text.db'), 'no database at all '.repeat(500));
    expect(await refusalOf(opened(join(folder, 'text.db')).openRoom('room', BIRTH))).toMatch(/^storage\.corrupt: .*text\.db/);
    expect(await codeOf(opened(folder).openRoom('room', BIRTH))).toBe('storage.unavailable');
  });

  it('[SQ11] while another process writes for too long calls are storage.unavailable, and work again afterwards', async () => {
    const storage = opened(file, 20);
    await filledRoom(storage, 'room', 1);
    const rival = openDatabase(driver, file, 5000);
    rival.exec('BEGIN IMMEDIATE');
    const next = () => storage.accept('room', { epoch: 1, after: 1 }, [acceptance(2)]);
    expect(await codeOf(next())).toBe('storage.unavailable');
    expect(await storage.entries('room', 0, 9)).toHaveLength(1);
    rival.exec('ROLLBACK');
    rival.close();
    await next();
  });

  it('[SQ12] without any driver the error says what to install', () => {
    const choose = (...there: DriverName[]) => chooseDriver((name) => there.includes(name));
    expect(choose('libsql', 'node:sqlite')).toBe('node:sqlite');
    expect(choose('libsql')).toBe('libsql');
    expect(() => choose()).toThrow(/npm install libsql.*Node 22\.13/);
  });
});

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
