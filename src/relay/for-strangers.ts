import { CotableError, isCotableError } from '../errors.ts';

/** What the disk of a relay says names files, and a migration that failed names rows: both are for the operator, in the log. */
export function forStrangers(error: CotableError): CotableError {
  if (isCotableError(error, 'schema.migrationFailed')) return new CotableError<string>(error.code, { version: error.params.version });
  if (!error.code.startsWith('storage.')) return error;
  return new CotableError<string>('storage.unavailable', { reason: 'the relay cannot read or keep data now' });
}
