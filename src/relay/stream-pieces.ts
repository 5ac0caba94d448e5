import { CotableError, type Issue } from '../errors.ts';
import { MAX_FRAME_BYTES } from '../protocol/limits.ts';
import type { StreamDefinition } from '../schema/schema.ts';
import { validate } from '../schema/validator.ts';
import { toFrozenJson } from '../util/json.ts';

/** A piece that is not text goes in one frame, and this much of that is not it. */
const AROUND_BYTES = 4 * 1024;

/** What a stream is of: the name of its action, and how the schema declares it. */
export interface Declared {
  readonly name: string;
  readonly definition: StreamDefinition | undefined;
}

/**
 * A piece as it is said on: text as it is, anything else as JSON text of what its validator gives. Throws
 * `stream.invalidPiece`, `value.notJson`, or `stream.tooLarge` for one that fits into no frame.
 */
export function toPiece({ name, definition }: Declared, piece: unknown): string {
  const refuse = (issues: readonly Issue[]): never => {
    throw new CotableError('stream.invalidPiece', { name, issues });
  };
  if (!definition) return refuse([{ message: 'the action declares no stream', path: [] }]);
  if (definition.kind === 'text') {
    return typeof piece === 'string' ? piece : refuse([{ message: 'a piece of a text stream is a string', path: [] }]);
  }
  const json = toFrozenJson(validate(definition.of, piece, `actions.${name}.stream.of`, refuse), ({ path, found }) => {
    throw new CotableError('value.notJson', { path: ['piece', ...path].join('.'), found });
  });
  const text = JSON.stringify(json);
  const bytes = Buffer.byteLength(text);
  const limit = MAX_FRAME_BYTES - AROUND_BYTES;
  if (bytes > limit) throw new CotableError('stream.tooLarge', { name, bytes, limit });
  return text;
}
