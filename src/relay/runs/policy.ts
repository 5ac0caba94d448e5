import { CotableError } from '../../errors.ts';
import { checkAction } from '../../mutation/enqueue.ts';
import type { AnySchema } from '../../schema/schema.ts';
import type { AnyActionPolicy, BackendConfig } from '../backend.ts';
import type { Platform } from '../platform.ts';
import { checkSchedule, type Schedule } from './cron.ts';

/** A policy with all that was left out, and checked. */
export interface Policy extends Pick<AnyActionPolicy, 'run' | 'cell' | 'onSettled' | 'onEnding'> {
  /** Whether there is never a second attempt. */
  readonly isAtMostOnce: boolean;
  readonly retry: { readonly attempts: number; readonly firstDelayMs: number; readonly maxDelayMs: number };
  readonly timeoutMs: number;
  /** In whose name it writes. */
  readonly as: 'caller' | 'system';
  readonly concurrency:
    | {
        readonly key: (input: never, caller: { readonly userId: string; readonly room: string }) => string;
        readonly limit: number;
        readonly strategy: 'queue' | 'reject' | 'restart' | 'join';
      }
    | undefined;
  readonly cron: readonly Schedule[];
}

export interface Policies {
  readonly [name: string]: Policy;
}

const MINUTE = 60_000;
const DELIVERIES: readonly unknown[] = ['at-least-once', 'at-most-once'];
const STRATEGIES: readonly unknown[] = ['queue', 'reject', 'restart', 'join'];
const WRITERS: readonly unknown[] = ['caller', 'system'];

/**
 * Every action as a checked policy. Their types were checked against the schema where the backend was given; throws
 * `schema.invalid` for what types cannot tell.
 */
export function policiesOf<S extends AnySchema, P extends Platform>({ schema, actions = {} as never }: BackendConfig<S, P>): Policies {
  const policies: Record<string, Policy> = {};
  for (const [name, action] of Object.entries<unknown>(actions)) {
    policies[name] = policyOf(schema, name, (typeof action === 'function' ? { run: action } : action) as AnyActionPolicy);
  }
  return policies;
}

/** The same of one action. */
export function policyOf(schema: AnySchema, name: string, action: AnyActionPolicy): Policy {
  const { delivery = 'at-least-once', retry = {}, timeoutMs = 15 * MINUTE, as = 'caller', concurrency, cron = [] } = action;
  const { attempts = 3, firstDelayMs = 1_000, maxDelayMs = MINUTE } = retry;
  const check = (isRight: boolean, path: string, problem: string): void => {
    if (!isRight) throw new CotableError('schema.invalid', { path: `actions.${name}.${path}`, problem });
  };
  check(typeof action.run === 'function', 'run', 'it is no function');
  for (const part of ['cell', 'onSettled'] as const) {
    check(action[part] === undefined || typeof action[part] === 'function', part, 'it is no function');
  }
  check(DELIVERIES.includes(delivery), 'delivery', 'it is neither at-least-once nor at-most-once');
  check(isCount(attempts), 'retry.attempts', 'it is no whole number above 0');
  check(isTime(firstDelayMs), 'retry.firstDelayMs', 'it is no number of milliseconds');
  check(isTime(maxDelayMs), 'retry.maxDelayMs', 'it is no number of milliseconds');
  check(isTime(timeoutMs) && timeoutMs > 0, 'timeoutMs', 'it is no number of milliseconds');
  check(WRITERS.includes(as), 'as', 'it is neither caller nor system');
  const { key = () => '', limit = 1, strategy = 'queue' } = concurrency ?? {};
  check(typeof key === 'function', 'concurrency.key', 'it is no function');
  check(isCount(limit), 'concurrency.limit', 'it is no whole number above 0');
  check(STRATEGIES.includes(strategy), 'concurrency.strategy', 'it is not queue, reject, restart or join');
  const schedules = (Array.isArray(cron) ? cron : [cron]).map(({ schedule, timeZone, room, input }, index): Schedule => {
    check(typeof room === 'string' && room !== '', `cron.${index}.room`, 'it is no name of a room');
    check(checkSchedule(schedule, timeZone), `cron.${index}`, `'${schedule}' is no schedule, or '${timeZone ?? ''}' no time zone`);
    return { schedule, timeZone, room, input: JSON.stringify(checkAction(schema, name, input)) };
  });
  return {
    run: action.run,
    cell: action.cell,
    onSettled: action.onSettled,
    onEnding: action.onEnding,
    isAtMostOnce: delivery === 'at-most-once',
    retry: { attempts, firstDelayMs, maxDelayMs },
    timeoutMs,
    as,
    concurrency: concurrency && { key, limit, strategy },
    cron: schedules,
  };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function isTime(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
