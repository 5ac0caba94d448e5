import { toFrozenJson, type JsonValue } from '../../util/json.ts';

/** What a handler returned, read. */
export type Returned =
  | { readonly status: 'success'; readonly output: JsonValue }
  | {
      readonly status: 'error';
      readonly errorCode: string;
      readonly errorParams: Readonly<Record<string, unknown>>;
      readonly httpStatus?: number;
      /** For the log alone. */
      readonly errorMessage?: string;
    };

/** `undefined`: it is no answer. */
export function readReturned(value: unknown): Returned | undefined {
  if (typeof value !== 'object' || value === null || !('status' in value)) return undefined;
  try {
    const { status, ...rest } = value;
    const fields = toFrozenJson(rest, ({ found }) => {
      throw new TypeError(found);
    });
    if (status === 'success') return { status, output: fields };
    return status === 'error' ? readFailure(fields) : undefined;
  } catch {
    // It cannot be sent: no answer.
    return undefined;
  }
}

function readFailure(fields: unknown): Returned | undefined {
  const { errorCode, errorParams = {}, httpStatus, errorMessage } = fields as Readonly<Record<string, unknown>>;
  if (typeof errorCode !== 'string' || !/^[a-z][\w-]*(\.[\w-]+)+$/i.test(errorCode)) return undefined;
  if (typeof errorParams !== 'object' || errorParams === null || Array.isArray(errorParams)) return undefined;
  if (
    httpStatus !== undefined &&
    !(typeof httpStatus === 'number' && Number.isInteger(httpStatus) && httpStatus >= 400 && httpStatus < 600)
  ) {
    return undefined;
  }
  return {
    status: 'error',
    errorCode,
    errorParams: { ...errorParams },
    ...(httpStatus !== undefined && { httpStatus }),
    ...(typeof errorMessage === 'string' && { errorMessage }),
  };
}
