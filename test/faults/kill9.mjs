// A real relay on a real SQLite file that is killed again and again while stores write to it.
import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { webSocket } from 'cotable/transports/websocket';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { WebSocket } from 'ws';
import { assertAllHappened, diceOf } from '../fuzz/mutations.mjs';
import { foldLog } from '../property/oracle.mjs';
import { mutators, schema } from './kill9-app.mjs';
import { createLedger } from './kill9-ledger.mjs';
import { startProcess } from './kill9-process.mjs';
import { createWriter } from './kill9-writer.mjs';

const ROOMS = ['one', 'two', 'three'];
const USERS = ['ann', 'ben', 'cyd'];
const LEVEL_MS = 60_000;
/** Stores need not get level between two kills. */
const PATIENCE_MS = 3_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Throws at the first thing that is not as promised; otherwise what happened, by name. */
export async function kill9({ cycles, seed }) {
  const dice = diceOf(seed);
  const folder = await mkdtemp(join(tmpdir(), 'cotable-kill9-'));
  const file = join(folder, 'relay.db');
  const way = new Set();
  const ledger = createLedger();
  /** Kills at the start, and later ones before which nothing was acknowledged. */
  const counts = { cycles: 0, early: 0, idle: 0 };
  let relay = startProcess(file, 0);
  const writers = [];
  try {
    const port = await relay.listening;
    if (port === undefined) throw new Error('the relay did not start');
    const url = () => `ws://127.0.0.1:${port}`;
    for (const room of ROOMS) {
      for (const user of USERS)
        writers.push(createWriter({ room, userId: user, dice: diceOf(Math.floor(dice() * 2 ** 32)), url, way, ledger }));
    }
    const failed = Promise.race(writers.map(({ writing }) => writing.then(() => new Promise(() => undefined))));
    for (; counts.cycles < cycles; counts.cycles++) {
      const before = ledger.counts().acked;
      // One in ten is killed while it starts, the others at some moment after they have begun to work.
      const isEarly = dice() < 0.1;
      if (!isEarly) {
        await Promise.race([relay.listening, failed]);
        // Whoever waits for the next try of its own tries now.
        for (const tell of way) [false, true].forEach(tell);
        const isAtWork = new Promise((resolve) => ledger.next(resolve));
        await Promise.race([isAtWork, pause(PATIENCE_MS), failed]);
      }
      await Promise.race([pause((isEarly ? 200 : 300) * dice()), failed]);
      await relay.stop('SIGKILL');
      if (isEarly) counts.early += 1;
      else if (ledger.counts().acked === before) counts.idle += 1;
      relay = startProcess(file, port);
    }
    await relay.listening;
    for (const tell of way) [false, true].forEach(tell);
    await Promise.all(writers.map((writer) => writer.stop()));
    const shown = await levelRows(writers, url);
    await relay.stop('SIGTERM');
    const report = await judge(file, ledger, shown);
    const { acked, refused, runs } = report;
    const { reloads } = ledger.counts();
    assertAllHappened({ kills: cycles - counts.early - counts.idle, early: counts.early, acked, refused, runs, reloads });
    return {
      cycles: counts.cycles,
      acked,
      refused,
      runs,
      restarts: cycles,
      reloads,
      idle: counts.idle,
      ...report,
      seed,
    };
  } finally {
    await relay.stop('SIGKILL');
    await Promise.all(writers.map(({ store }) => store.close()));
    await rm(folder, { recursive: true, force: true });
  }
}

/** What every store shows, and a newcomer to each room, once they are level and no run is left. */
async function levelRows(writers, url) {
  const newcomers = ROOMS.map((room) => {
    const parts = { schema, mutators, room, userId: 'dan', storage: memoryClientStorage(), transports: [webSocket(url(), { WebSocket })] };
    return { room, userId: 'dan', store: createStore(parts) };
  });
  const all = [...writers, ...newcomers];
  try {
    await until(
      'level',
      () => all.every(({ store: { status } }) => status.state === 'online' && status.pending === 0),
      () =>
        all
          .map(({ room, userId, store: { status } }) => `${room}/${userId} ${status.state} ${status.pending} ${status.reason?.code ?? ''}`)
          .join(', '),
    );
    const open = () =>
      all.flatMap(({ store }) =>
        store
          .table('answers')
          .list()
          .filter(({ ends }) => ends === 0),
      );
    await until(
      'every run has ended',
      () => open().length === 0,
      () => `${open().length} are open`,
    );
    // The log is one order: who shows the last entry has all before it.
    await Promise.all(newcomers.map(async ({ store }) => (await store.mutate.write({ id: 'last', text: '' })).confirmed));
    await until(
      'all have the last entry',
      () => all.every(({ store }) => store.table('notes').has('last')),
      () => '',
    );
    return all.map(({ room, userId, store }) => ({ room, userId, rows: rowsOf(store), rejections: store.rejections.length }));
  } finally {
    await Promise.all(newcomers.map(({ store }) => store.close()));
  }
}

async function until(what, isSo, state) {
  const end = Date.now() + LEVEL_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`after ${LEVEL_MS / 1000} s not: ${what}. ${state()}`);
    await pause(10);
  }
}

function rowsOf(store) {
  return Object.fromEntries(Object.keys(schema.tables).map((name) => [name, Object.fromEntries(store.table(name).entries())]));
}

/** Compares what was told with what is on disk, and what is shown with an independent fold of it. */
async function judge(file, ledger, shown) {
  const storage = sqlite(file);
  let [diverged, runs] = [0, 0];
  try {
    for (const room of ROOMS) {
      const { rows, mutations } = foldLog(await storage.entries(room, 0, Infinity));
      const outcomes = await storage.outcomes(room, ledger.keys(room));
      ledger.compare(room, mutations, outcomes);
      for (const store of shown.filter((one) => one.room === room)) {
        for (const name of Object.keys(schema.tables)) {
          if (isDeepStrictEqual(store.rows[name], { ...rows[name] })) continue;
          diverged += 1;
          ledger.violated(`${room}/${store.userId} shows other ${name} than the log has`);
        }
      }
      for (const { id, run, ends } of Object.values(rows.answers ?? {})) {
        runs += 1;
        const stored = await storage.run(room, run);
        if (ends !== 1 || stored?.status !== 'succeeded')
          ledger.violated(`the run of ${room}/${id} ended ${ends} times, as ${stored?.status}`);
      }
      const { runs: open } = await storage.listRuns({ room, statuses: ['queued', 'running', 'waiting'] }, undefined, 100);
      if (open.length > 0) ledger.violated(`${open.length} runs of ${room} are still open`);
    }
  } finally {
    await storage.close();
  }
  const { acked, refused, lost, doubled } = ledger.counts();
  if (ledger.violation)
    throw new Error(
      `${ledger.violation}; acked=${acked} refused=${refused} runs=${runs} lost=${lost} doubled=${doubled} diverged=${diverged}`,
    );
  return { acked, refused, runs, lost, doubled, diverged };
}
