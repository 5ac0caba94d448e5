import { CotableError } from '../errors.ts';

/** JSON text that came over the wire. Throws `protocol.badFrame`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: 'an input is not JSON' }, { cause: error });
  }
}
