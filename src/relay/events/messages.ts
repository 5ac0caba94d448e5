import { CotableError, errorOf } from '../../errors.ts';
import type { Logger } from '../../ports/logger.ts';
import type { SyncFailure, SyncResponse } from '../../schema/events.ts';
import { forStrangers } from '../for-strangers.ts';

/**
 * What people read of an answer, in a language of theirs. `code` is of Cotable's catalogue, of the app's own, or `sync.success`.
 * `locale` is what the request says, as `Accept-Language` does; empty where it says nothing. Where it gives an empty text, or
 * throws, which is logged, the English of the catalogue is taken.
 */
export type Messages = (code: string, params: Readonly<Record<string, unknown>>, locale: string) => string;

/** How a request went, before it is put into words. */
export type Outcome =
  | { readonly status: 'success'; readonly result: unknown; readonly recipientCount: number }
  | {
      readonly status: 'error';
      readonly errorCode: string;
      readonly errorParams?: Readonly<Record<string, unknown>>;
      readonly httpStatus?: number;
    };

const SUCCESS = 'sync.success';

/** Without a text of the app's own: what happened, with each `{param}` filled in. A code of the app's own is its own text. */
const englishMessages: Messages = (code, params) => (code === SUCCESS ? 'Done' : errorOf({ code, params }).message);

/** Puts outcomes into words. */
export function createAnswers(messages: Messages = englishMessages, logger: Logger): (outcome: Outcome, locale: string) => SyncResponse {
  function textOf(code: string, params: Readonly<Record<string, unknown>>, locale: string): string {
    try {
      const text: unknown = messages(code, params, locale);
      if (typeof text === 'string' && text !== '') return text;
    } catch (error) {
      // An answer is due all the same: in English.
      logger.warn({ code, locale, error }, 'messages() threw');
    }
    return englishMessages(code, params, locale);
  }

  return (outcome, locale) => {
    if (outcome.status === 'success') return { ...outcome, message: textOf(SUCCESS, {}, locale) };
    const { errorCode, errorParams = {}, httpStatus } = outcome;
    const failure: SyncFailure = {
      status: 'error',
      message: textOf(errorCode, errorParams, locale),
      errorCode,
      errorParams,
      httpStatus: httpStatus ?? errorOf({ code: errorCode, params: errorParams }).httpStatus,
    };
    return failure;
  };
}

/** An error as an outcome. */
export function failed(error: CotableError): Outcome {
  const { code, params, httpStatus } = forStrangers(error);
  return { status: 'error', errorCode: code, errorParams: params, httpStatus };
}
