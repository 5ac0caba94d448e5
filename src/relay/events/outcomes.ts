import { catalogue } from '../../catalogue.ts';
import { CotableError, errorOf, isCotableError, type Issue } from '../../errors.ts';
import type { RunEnding } from '../../ports/run-storage.ts';
import type { KnownEvent } from './events.ts';
import { failed, type Outcome } from './messages.ts';

/** What a run of an event ends with. */
export type Kept = { readonly result: unknown; readonly recipientCount: number } | { readonly failure: Outcome };

/** How a run ended, as who asked for the event hears it. */
export function outcomeOfEnding(known: KnownEvent, ending: RunEnding): Outcome {
  if (ending.status !== 'succeeded') return failed(asRefusal(known, errorOf(ending.error)));
  const kept = JSON.parse(ending.output) as Kept;
  return 'failure' in kept ? kept.failure : { status: 'success', ...kept };
}

/** Runs are a matter of the relay: who asks for an event hears of the event. */
export function asRefusal({ name, version }: KnownEvent, error: unknown): CotableError {
  const execution = new CotableError('sync.serverExecutionFailed', { name }, { cause: error });
  if (!isCotableError(error)) return execution;
  switch (error.code) {
    case 'action.unknown':
      return new CotableError('sync.notFound', { name, version });
    case 'action.invalidInput':
      return invalidInput(error.params.issues);
    case 'value.notJson':
      return invalidInput([{ message: `${error.params.found} is not plain JSON`, path: error.params.path.split('.').slice(2) }]);
    case 'run.timeout':
      return new CotableError('sync.requestTimeout', { name, ms: error.params.ms });
    case 'run.canceled':
      return new CotableError('request.aborted', {});
    default: {
      // What the app refused with passes, and so does that the relay cannot work now.
      const { code } = error as CotableError;
      const passes = !Object.hasOwn(catalogue, code) || /^(sync|relay|storage|auth|room)\./.test(code);
      return passes ? error : execution;
    }
  }
}

function invalidInput(issues: readonly Issue[]): CotableError {
  const message = issues.map((issue) => `${['data', ...issue.path].join('.')}: ${issue.message}`).join('; ');
  return new CotableError('sync.invalidInputType', { message, issues });
}
