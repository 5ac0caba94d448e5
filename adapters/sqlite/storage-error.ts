import { asCotableError, CotableError, type ErrorBody } from '../../src/errors.ts';

/** An error as it crosses from the worker, where its class would be lost; `errorFromBody` is the way back. */
export type PostedError = Pick<ErrorBody, 'errorCode' | 'errorParams'>;

const CORRUPT = 11;
const FULL = 13;
const NOT_A_DATABASE = 26;

/** Anything thrown over `file`, as a `storage.*` error. */
export function storageError(error: unknown, file: string): CotableError {
  return asCotableError(error, (reason) => {
    switch (resultCode(error)) {
      case FULL:
        return new CotableError('storage.quota', {}, { cause: error });
      case CORRUPT:
      case NOT_A_DATABASE:
        return new CotableError('storage.corrupt', { record: `${file}: ${reason}` }, { cause: error });
      default:
        return new CotableError('storage.unavailable', { reason: `${file}: ${reason}` }, { cause: error });
    }
  });
}

export function toPostedError(error: CotableError): PostedError {
  const { errorCode, errorParams } = error.toJSON();
  return { errorCode, errorParams };
}

/** SQLite's primary result code: node:sqlite and libsql tell the extended one, each under its own name. */
function resultCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const code: unknown = 'errcode' in error ? error.errcode : 'rawCode' in error ? error.rawCode : undefined;
  return typeof code === 'number' ? code & 0xff : undefined;
}
