import { CotableError } from '../errors.ts';
import type { EnqueueIntent } from '../protocol/frames.ts';
import type { EnqueueOptions } from '../schema/mutators.ts';
import type { ActionShapes, AnySchema } from '../schema/schema.ts';
import { validate } from '../schema/validator.ts';
import { toFrozenJson, type JsonValue } from '../util/json.ts';
import { isWellFormed } from '../util/text.ts';

const MAX_KEY = 256;

/** The input of an enqueued action as plain JSON. Throws `action.unknown`, `action.invalidInput` or `value.notJson`. */
export function checkAction(schema: AnySchema, name: string, input: unknown): JsonValue {
  return checkInput(name, Object.hasOwn(schema.actions, name) ? schema.actions[name] : undefined, input);
}

/** The same of an action that is known by its shape. */
export function checkInput(name: string, shape: ActionShapes[string] | undefined, input: unknown): JsonValue {
  if (!shape) throw new CotableError('action.unknown', { name });
  validate(shape.input, input, `actions.${name}.input`, (issues) => {
    throw new CotableError('action.invalidInput', { name, issues });
  });
  return toFrozenJson(input, ({ path, found }) => {
    throw new CotableError('value.notJson', { path: ['input', ...path].join('.'), found });
  });
}

/** What is asked for, checked. `now`: what `runAfter` counts from. Throws as {@link checkAction} does. */
export function toIntent(
  schema: AnySchema,
  name: string,
  input: unknown,
  { idempotencyKey, runAfter, runAt }: EnqueueOptions = {},
  now: number,
): EnqueueIntent {
  const json = JSON.stringify(checkAction(schema, name, input));
  if (idempotencyKey !== undefined) checkKey(name, idempotencyKey);
  if (runAfter !== undefined && !(Number.isFinite(runAfter) && runAfter >= 0)) refuseOption(name, 'runAfter', 'milliseconds from now on');
  if (runAt !== undefined && !(runAt instanceof Date && runAt.getTime() >= 0)) refuseOption(name, 'runAt', 'a Date since 1970');
  if (runAfter !== undefined && runAt !== undefined) refuseOption(name, 'runAt', 'either this or runAfter');
  const notBefore = runAt ? runAt.getTime() : runAfter === undefined ? 0 : Math.min(now + Math.ceil(runAfter), Number.MAX_SAFE_INTEGER);
  return { name, input: json, key: idempotencyKey ?? '', notBefore };
}

/** Throws `action.invalidInput` for what is no idempotency key. */
export function checkKey(name: string, key: string): void {
  const isKey = typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY && isWellFormed(key);
  if (!isKey) refuseOption(name, 'idempotencyKey', `a well-formed string of 1 to ${MAX_KEY} characters`);
}

/** An option is not what it should be. */
export function refuseOption(name: string, option: string, expected: string): never {
  throw new CotableError('action.invalidInput', { name, issues: [{ message: `expected ${expected}`, path: [option] }] });
}
