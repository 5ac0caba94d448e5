import { isCotableError } from '../../errors.ts';
import type { Random } from '../../ports/clock.ts';
import type { Policy } from './policy.ts';

/** Codes that say no for good although their status does not. */
const FINAL: ReadonlySet<string> = new Set(['run.fenced', 'action.invalidOutput', 'platform.unknownService']);
/** What a client is told to try again with the same request. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 429]);

/**
 * Whether another attempt may do better after an error. What the error itself says as `retryable`, or what it stands for
 * (its cause), comes first. A plain error is tried again. One with a code is when its status says that it passes: 408,
 * 409, 429 and all from 500 on; so an app's own code (`reject()`, 400) is final, and so are wrong inputs and outputs.
 */
export function isRetryable(error: unknown): boolean {
  const told = saysOf(error, 'retryable');
  if (typeof told === 'boolean') return told;
  if (!isCotableError(error)) return true;
  return !FINAL.has(error.code) && (error.httpStatus >= 500 || PASSING.has(error.httpStatus));
}

/**
 * How long to wait after the `failures`th failed attempt: a random part of a time that doubles ("full jitter" in M. Brooker,
 * Exponential Backoff and Jitter, AWS Architecture Blog 2015), and at least what the error says as `retryAfterMs`.
 */
export function retryDelay({ firstDelayMs, maxDelayMs }: Policy['retry'], failures: number, error: unknown, random: Random): number {
  const told = saysOf(error, 'retryAfterMs');
  const least = typeof told === 'number' && Number.isFinite(told) && told > 0 ? told : 0;
  return Math.ceil(Math.max(random() * Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1)), least));
}

/** What an error says of itself, or the one behind it. */
function saysOf(error: unknown, name: 'retryable' | 'retryAfterMs'): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return Reflect.get(error, name) ?? ('cause' in error ? saysOf(error.cause, name) : undefined);
}
