import type { StandardSchemaV1 } from '@standard-schema/spec';
import { CotableError, type Issue } from '../errors.ts';

/** Any Standard Schema (zod, valibot, arktype ...): takes `In`, gives `Out`. It must answer within the call. */
export type Validator<In = unknown, Out = In> = StandardSchemaV1<In, Out>;

/** What a validator accepts. */
export type InputOf<V extends Validator> = StandardSchemaV1.InferInput<V>;
/** What a validator gives. */
export type OutputOf<V extends Validator> = StandardSchemaV1.InferOutput<V>;

/**
 * Validates within the call. Gives the validator's output, or calls `refuse` with each issue and throws what that throws.
 * `where` names the validator in `schema.asyncValidator`, thrown when it answers with a promise.
 */
export function validate<Out>(
  validator: Validator<unknown, Out>,
  value: unknown,
  where: string,
  refuse: (issues: readonly Issue[]) => never,
): Out {
  const result = validator['~standard'].validate(value);
  if ('then' in result) {
    // Its outcome is not wanted any more; a rejection must not become an unhandled one.
    result.then(undefined, () => undefined);
    throw new CotableError('schema.asyncValidator', { path: where });
  }
  if (result.issues) return refuse(result.issues.map(toIssue));
  return result.value;
}

function toIssue(issue: StandardSchemaV1.Issue): Issue {
  const path = (issue.path ?? []).map((segment) => {
    const key = typeof segment === 'object' ? segment.key : segment;
    return typeof key === 'number' ? key : String(key);
  });
  return { message: issue.message, path };
}

/** Whether a value can be used as a {@link Validator}. */
export function isValidator(value: unknown): value is Validator {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !('~standard' in value)) return false;
  const standard = value['~standard'];
  return typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function';
}
