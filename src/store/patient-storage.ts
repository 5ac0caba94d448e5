import { CotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { ClientDatabase, ClientStorage } from '../ports/client-storage.ts';

/** What has not answered for so long never will: longer than a storage's own patience with other tabs. */
const ANSWER_MS = 15_000;

/**
 * A storage that always answers: what the one below does not answer in time rejects with `storage.unavailable`, and so does,
 * at once, what is asked before that has its answer. What was asked of it may still happen, in its turn; a change to be made
 * by `update` does not. A `close` just ends.
 */
export function patientStorage(storage: ClientStorage, clock: Clock): ClientStorage {
  return {
    async open(name, watch) {
      const opening = storage.open(name, watch);
      const database = await answered(clock, opening, () => {
        // Nobody is there any more to use it; when it never opens there is nothing to close.
        opening.then((late) => late.close()).catch(() => undefined);
        throw noAnswer('open');
      });
      return patient(database, clock);
    },
  };
}

function patient(database: ClientDatabase, clock: Clock): ClientDatabase {
  /** How many calls were given up and have no answer yet: what is asked now would wait behind those. */
  let stuck = 0;

  async function orFail<T>(what: string, ask: () => Promise<T>, givenUp = (): void => undefined): Promise<T> {
    if (stuck > 0) throw noAnswer(what);
    const answer = ask();
    return answered(clock, answer, () => {
      const over = (): void => void (stuck -= 1);
      stuck += 1;
      answer.then(over, over);
      givenUp();
      throw noAnswer(what);
    });
  }

  return {
    get durable() {
      return database.durable;
    },
    wasLost: database.wasLost ?? false,
    range: (prefix) => orFail('read', () => database.range(prefix)),
    write: (batch) => orFail('write', () => database.write(batch)),
    update(keys, change) {
      let isLate = false;
      const inTime: typeof change = (values) => {
        if (isLate) throw noAnswer('write');
        return change(values);
      };
      return orFail(
        'write',
        () => database.update(keys, inTime),
        () => (isLate = true),
      );
    },
    close: () => answered(clock, database.close(), () => undefined),
  };
}

/** The answer, or what `late` says in its place. */
function answered<T>(clock: Clock, answer: Promise<T>, late: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    };
    // In two halves: after a sleep the first one is due at once, and so is the answer.
    let cancel = clock.after(ANSWER_MS / 2, () => (cancel = clock.after(ANSWER_MS / 2, giveUp)));
    const inTime = (): void => cancel();
    answer.then(inTime, inTime);
    answer.then(resolve, reject);
  });
}

function noAnswer(what: string): CotableError {
  return new CotableError('storage.unavailable', { reason: `no answer to ${what} within ${ANSWER_MS / 1000} s` });
}
