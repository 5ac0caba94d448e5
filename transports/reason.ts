import { errorFromBody, type CotableError } from '../src/errors.ts';

const ERROR_CODE = /^[a-z][\w-]*(\.[\w-]+)+$/i;

/** The reason that a link was closed with, out of the text that came over the wire: its code, or nothing. */
export function reasonOf(text: unknown): CotableError | undefined {
  return typeof text === 'string' && ERROR_CODE.test(text) ? errorFromBody({ errorCode: text, errorParams: {} }) : undefined;
}
