import { asCotableError, CotableError, errorOf } from '../../errors.ts';
import type { Refusal } from '../../ports/refusal.ts';
import type { RunEnding } from '../../ports/run-storage.ts';

/** How a run of an action ends by what was thrown. */
export function failure(name: string, error: unknown): RunEnding {
  return { status: 'failed', error: refusalOf(name, error) };
}

/** What was thrown, as it is kept and told. */
export function refusalOf(name: string, error: unknown): Refusal {
  const { code, params } = asCotableError(error, (reason) => new CotableError('run.failed', { name, reason }, { cause: error }));
  return { code, params };
}

/** Of a run that was canceled. */
export function canceled(): RunEnding {
  return { status: 'canceled', error: { code: 'run.canceled', params: {} } };
}

/** How a run ended, as `onSettled` hears it. */
export function toTold(
  ending: RunEnding,
):
  | { readonly status: 'succeeded'; readonly output: unknown; readonly error: undefined }
  | { readonly status: 'failed' | 'canceled' | 'expired'; readonly output: undefined; readonly error: CotableError } {
  if (ending.status === 'succeeded') return { status: 'succeeded', output: JSON.parse(ending.output) as unknown, error: undefined };
  return { status: ending.status, output: undefined, error: errorOf(ending.error) };
}
