import { CotableError } from '../errors.ts';

/** Names the rule of the gate that an update breaks. */
export function refuse(rule: string, cause?: unknown): never {
  throw new CotableError('protocol.gateRefused', { rule }, cause === undefined ? undefined : { cause });
}
