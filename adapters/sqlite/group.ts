import { type Calls, createCalls } from './calls.ts';
import type { Connection } from './driver.ts';
import type { Answer, Method, Request } from './messages.ts';
import { storageError, toPostedError } from './storage-error.ts';

/** Which calls may change something: those take the write lock, and each a savepoint. */
const WRITES: Readonly<Record<Method, boolean>> = {
  openRoom: true,
  accept: true,
  entries: false,
  outcomes: false,
  lastCounters: false,
  refuse: true,
  writers: false,
  fence: true,
  leaseWriter: true,
  returnWriter: true,
  saveSnapshot: true,
  rebirth: true,
  queueRun: true,
  claimRun: true,
  renewRuns: true,
  releaseRun: true,
  parkRun: true,
  freeRuns: true,
  dueUsers: false,
  dueRuns: false,
  nextDue: false,
  hasWork: false,
  cancelRun: true,
  redriveRun: true,
  step: false,
  keepStep: true,
  run: false,
  listRuns: false,
  purgeRuns: true,
  keepStreams: true,
  keptStreams: false,
};

/**
 * Runs requests in their order inside one transaction and answers each after its commit. A request that fails is undone
 * alone. When the transaction itself fails, all of them fail, reads too: they may have seen what was not kept.
 */
export type Group = (requests: readonly Request[]) => readonly Answer[];

export function createGroup(connection: Connection, file: string): Group {
  const calls = createCalls(connection);
  const savepoint = connection.prepare('SAVEPOINT request');
  const undo = connection.prepare('ROLLBACK TO request');
  const release = connection.prepare('RELEASE request');

  function answer(request: Request): Answer {
    const writes = WRITES[request.method];
    if (writes) savepoint.run();
    let answered: Answer;
    try {
      answered = { id: request.id, value: invoke(calls, request) };
    } catch (error) {
      if (writes) undoOr(error);
      answered = failure(request, error, file);
    }
    if (writes) release.run();
    return answered;
  }

  /** On a full or failing disk SQLite gives up the whole transaction: then there is nothing to go back to, and the group is lost. */
  function undoOr(error: unknown): void {
    try {
      undo.run();
    } catch {
      throw error;
    }
  }

  return (requests) => {
    try {
      // Not prepared: libsql leaves a prepared BEGIN that found the file busy in progress, and no commit succeeds again.
      connection.exec(requests.some(({ method }) => WRITES[method]) ? 'BEGIN IMMEDIATE' : 'BEGIN');
      const answers = requests.map(answer);
      connection.exec('COMMIT');
      return answers;
    } catch (error) {
      try {
        connection.exec('ROLLBACK');
      } catch {
        // Nothing to roll back: the transaction never began, or SQLite has done it.
      }
      return requests.map((request) => failure(request, error, file));
    }
  };
}

export function failure(request: Request, error: unknown, file: string): Answer {
  return { id: request.id, error: toPostedError(storageError(error, file)) };
}

function invoke(calls: Calls, request: Request): unknown {
  // A request's arguments are those of its method; the compiler cannot follow that through the union.
  const call = calls[request.method] as (...args: readonly unknown[]) => unknown;
  return call(...request.args);
}
