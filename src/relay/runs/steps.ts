import { CotableError } from '../../errors.ts';
import type { AttemptName, RunStorage } from '../../ports/run-storage.ts';
import { toFrozenJson } from '../../util/json.ts';

/** `ctx.step` of one attempt. `guard` rejects with `run.fenced` where the attempt is over. */
export function createSteps(
  storage: RunStorage,
  room: string,
  attempt: AttemptName,
  guard: <T>(work: () => Promise<T>) => Promise<T>,
): <T>(key: string, fn: () => T | Promise<T>) => Promise<T> {
  const begun = new Map<string, Promise<string>>();

  async function once(key: string, fn: () => unknown): Promise<string> {
    const kept = await guard(() => storage.step(room, attempt.run, key));
    if (kept !== undefined) return kept;
    const given = await fn();
    // Nothing is something too: it was done.
    const json = toFrozenJson(given === undefined ? null : given, ({ path, found }) => {
      throw new CotableError('value.notJson', { path: ['step', key, ...path].join('.'), found });
    });
    const value = JSON.stringify(given === undefined ? {} : { value: json });
    await guard(() => storage.keepStep(room, attempt, key, value));
    return value;
  }

  return async <T>(key: string, fn: () => T | Promise<T>): Promise<T> => {
    let value = begun.get(key);
    if (!value) {
      value = once(key, fn);
      begun.set(key, value);
      // One that failed may be tried again.
      value.catch(() => begun.delete(key));
    }
    // It was made JSON of what `fn` of this key gave.
    return (JSON.parse(await value) as { readonly value: T }).value;
  };
}
