import { CotableError } from '../errors.ts';
import { MAX_FRAME_BYTES, roomNameProblem } from '../protocol/limits.ts';
import { encodeSyncFrame } from '../protocol/sync-codec.ts';
import type { DropFrame, SyncFrame } from '../protocol/sync-frames.ts';
import { checkEventName, checkEventVersion, checkRequestKey, type SyncResponse } from '../schema/events.ts';
import type { SyncRequestOptions } from './sync-types.ts';

/** A request as an app gives it, before its types are known. */
export interface UntypedRequest extends SyncRequestOptions {
  readonly name: string;
  readonly version: string;
  readonly data: unknown;
  readonly onStream?: (piece: unknown) => void;
}

/** A request as it is sent. Throws what is wrong with it. */
export function toFrame(request: UntypedRequest, locale: string): SyncFrame {
  const { name, version, receiver } = request;
  if (typeof name !== 'string' || name === '') throw new CotableError('sync.invalidName', {});
  checkEventName(name);
  checkEventVersion(version);
  if (typeof receiver !== 'string' || receiver === '') throw new CotableError('sync.missingReceiver', {});
  const problem = roomNameProblem(receiver);
  if (problem !== undefined) throw new CotableError('room.invalidName', { problem });
  const { idempotencyKey: key = newKey() } = request;
  checkRequestKey(key);
  const frame: SyncFrame = {
    type: 'sync',
    request: key,
    name,
    version,
    // `undefined` is written as nothing at all.
    data: JSON.stringify(request.data) ?? 'null',
    ignoreSelf: request.ignoreSelf ?? false,
    requireReceivers: request.requireReceivers ?? false,
    locale,
  };
  const refused = tooLarge(frame, MAX_FRAME_BYTES);
  if (refused) throw refused;
  return frame;
}

/** Why a frame is not taken by who takes no more than `limit` bytes. */
export function tooLarge(frame: SyncFrame | DropFrame, limit: number): CotableError | undefined {
  const bytes = encodeSyncFrame(frame).length;
  return bytes > limit ? new CotableError('protocol.frameTooLarge', { bytes, limit }) : undefined;
}

/** Whether a run may be that of a request. */
export function isRunOf(frame: SyncFrame | DropFrame, run: string): boolean {
  return frame.type === 'sync' && run.startsWith(`${frame.name}/${frame.version}~`);
}

/** `randomUUID` is not there in pages that were not served securely. */
function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

/** Whether two requests under one key are one. */
export function isSame(a: SyncFrame, b: SyncFrame): boolean {
  return a.name === b.name && a.version === b.version && a.data === b.data;
}

/** `undefined`: it is none. */
export function readResponse(body: string): SyncResponse | undefined {
  try {
    const response: unknown = JSON.parse(body);
    return isResponse(response) ? response : undefined;
  } catch {
    // It is none, then.
    return undefined;
  }
}

/** Of a response that only says when to ask again. */
export function secondsToWait(response: SyncResponse): number | undefined {
  if (response.status === 'success' || response.errorCode !== 'sync.rateLimitExceeded') return undefined;
  return Number(response.errorParams?.['seconds']) || 1;
}

function isResponse(value: unknown): value is SyncResponse {
  if (typeof value !== 'object' || value === null || !('status' in value) || !('message' in value)) return false;
  return value.status === 'success' ? 'result' in value : value.status === 'error' && 'errorCode' in value;
}
