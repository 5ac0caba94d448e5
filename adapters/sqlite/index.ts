import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CotableError, errorFromBody } from '../../src/errors.ts';
import type { RelayStorage } from '../../src/ports/relay-storage.ts';
import { chooseDriver } from './driver.ts';
import type { Answer, Arguments, Message, Method, Result, WorkerSetup } from './messages.ts';
import { storageError } from './storage-error.ts';

export interface SqliteOptions {
  /** How long a commit waits, in milliseconds, while another process writes to the file; then it is `storage.unavailable`. 5000. */
  readonly busyTimeoutMs?: number;
}

interface OpenCall {
  resolve(value: unknown): void;
  reject(error: CotableError): void;
}

/**
 * Keeps rooms in one SQLite file, which is made with its folders when it is not there; `:memory:` keeps them until
 * `close`. All work happens in a worker thread, and calls made while a commit is under way share the next one. An
 * idle storage does not keep the process alive, an open call does. Throws `storage.unavailable` when this Node has no
 * SQLite; a file that cannot be opened fails the calls instead, each trying anew.
 */
export function sqlite(file: string, options: SqliteOptions = {}): RelayStorage {
  const driver = chooseDriver();
  const setup: WorkerSetup = { file: file === ':memory:' ? file : resolve(file), driver, busyTimeoutMs: options.busyTimeoutMs ?? 5000 };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { name: 'cotable-sqlite', workerData: setup });
  const open = new Map<number, OpenCall>();
  let lastId = 0;
  let dead: CotableError | undefined;
  let closing: Promise<void> | undefined;

  worker.on('message', (answers: readonly Answer[]) => {
    for (const answer of answers) {
      const call = open.get(answer.id);
      open.delete(answer.id);
      if ('error' in answer) call?.reject(errorFromBody(answer.error));
      else call?.resolve(answer.value);
    }
    if (open.size === 0 && closing === undefined) worker.unref();
  });
  worker.on('error', (error: unknown) => die(`the worker thread failed: ${error instanceof Error ? error.message : String(error)}`));
  worker.on('exit', (code) => die(`the worker thread ended with code ${code}`));
  // Only now: listening for messages would undo it.
  worker.unref();

  function die(reason: string): void {
    dead ??= new CotableError('storage.unavailable', { reason: `${setup.file}: ${reason}` });
    for (const call of open.values()) call.reject(dead);
    open.clear();
  }

  function post(message: Message): void {
    worker.postMessage(message);
  }

  async function call<M extends Method>(method: M, args: Arguments<M>): Promise<Result<M>> {
    if (closing !== undefined) throw new CotableError('storage.closed', {});
    if (dead !== undefined) throw dead;
    const id = ++lastId;
    try {
      post({ id, method, args } as Message);
    } catch (error) {
      throw storageError(error, setup.file);
    }
    if (open.size === 0) worker.ref();
    return new Promise<Result<M>>((settle, reject) => open.set(id, { resolve: settle as OpenCall['resolve'], reject }));
  }

  return {
    description: `SQLite (${driver}) ${file}`,
    // A file has one relay at a time.
    owner: 'relay',
    openRoom: (room, birth) => call('openRoom', [room, birth]),
    accept: (room, position, group) => call('accept', [room, position, group.map((one) => ({ ...one, entry: compact(one.entry) }))]),
    entries: (room, after, limit) => call('entries', [room, after, limit]),
    outcomes: (room, keys) => call('outcomes', [room, keys]),
    lastCounters: (room, replicas) => call('lastCounters', [room, replicas]),
    refuse: (room, refusals) => call('refuse', [room, refusals]),
    writers: (room, writers) => call('writers', [room, writers]),
    fence: (room, owner, writers) => call('fence', [room, owner, writers]),
    leaseWriter: (room, owner, replica) => call('leaseWriter', [room, owner, replica]),
    returnWriter: (room, lease) => call('returnWriter', [room, lease]),
    saveSnapshot: (room, snapshot) => call('saveSnapshot', [room, compact(snapshot)]),
    rebirth: (room, position, reborn) => call('rebirth', [room, position, compact(reborn)]),
    queueRun: (room, run, by) => call('queueRun', [room, run, by]),
    claimRun: (room, run, terms) => call('claimRun', [room, run, terms]),
    renewRuns: (owner, until) => call('renewRuns', [owner, until]),
    releaseRun: (room, attempt, release) => call('releaseRun', [room, attempt, release]),
    parkRun: (room, run) => call('parkRun', [room, run]),
    freeRuns: (now, owner) => call('freeRuns', [now, owner]),
    dueUsers: (now, after, limit) => call('dueUsers', [now, after, limit]),
    dueRuns: (now, of, limit) => call('dueRuns', [now, of, limit]),
    nextDue: (now, owner) => call('nextDue', [now, owner]),
    hasWork: (now, room) => call('hasWork', [now, room]),
    cancelRun: (room, run, cancel) => call('cancelRun', [room, run, cancel]),
    redriveRun: (room, run, now) => call('redriveRun', [room, run, now]),
    step: (room, run, key) => call('step', [room, run, key]),
    keepStep: (room, attempt, key, value) => call('keepStep', [room, attempt, key, value]),
    run: (room, run) => call('run', [room, run]),
    listRuns: (filter, after, limit) => call('listRuns', [filter, after, limit]),
    purgeRuns: (endedBefore, limit) => call('purgeRuns', [endedBefore, limit]),
    keepStreams: (parts) => call('keepStreams', [parts.map(compact)]),
    keptStreams: (room) => call('keptStreams', [room]),
    close: () => (closing ??= close()),
  };

  async function close(): Promise<void> {
    if (dead !== undefined) return;
    worker.ref();
    post('close');
    await new Promise((ended) => worker.once('exit', ended));
  }
}

/** Posting copies, but of a view the whole buffer it looks into, and of a shared buffer nothing. */
function compact<T extends { readonly bytes: Uint8Array }>(record: T): T {
  const { bytes } = record;
  const isWhole = bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength;
  return isWhole ? record : { ...record, bytes: new Uint8Array(bytes) };
}
