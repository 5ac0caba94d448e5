import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { JsonObject } from '../util/json.ts';
import type { AuthFrame, FailedFrame, GrantFrame, PingFrame, PongFrame } from './frames.ts';

/** What every link says, whatever it carries. */
export type ControlFrame = PingFrame | PongFrame | AuthFrame | GrantFrame | FailedFrame;

/** The byte that stands for each type. Never given to another one. */
export const CONTROL_TYPES = { ping: 3, auth: 10, pong: 20, failed: 21, grant: 40 } as const;

export function writeControlFrame(out: encoding.Encoder, frame: ControlFrame): void {
  switch (frame.type) {
    case 'failed':
      encoding.writeVarString(out, frame.code);
      encoding.writeVarString(out, JSON.stringify(frame.params));
      return;
    case 'auth':
      encoding.writeVarString(out, frame.token);
      return;
    case 'grant':
      encoding.writeUint8(out, frame.mayWrite ? 1 : 0);
      encoding.writeVarUint(out, frame.expiresInMs);
      encoding.writeVarString(out, frame.session ? JSON.stringify(frame.session) : '');
      return;
    case 'ping':
    case 'pong':
  }
}

/** `undefined`: it is none of these. Throws what it cannot read. */
export function readControlFrame(input: decoding.Decoder, type: number): ControlFrame | undefined {
  switch (type) {
    case CONTROL_TYPES.ping:
      return { type: 'ping' };
    case CONTROL_TYPES.pong:
      return { type: 'pong' };
    case CONTROL_TYPES.auth:
      return { type: 'auth', token: decoding.readVarString(input) };
    case CONTROL_TYPES.failed:
      return { type: 'failed', code: decoding.readVarString(input), params: readParams(input) };
    case CONTROL_TYPES.grant:
      return {
        type: 'grant',
        mayWrite: decoding.readUint8(input) === 1,
        expiresInMs: decoding.readVarUint(input),
        session: readSession(input),
      };
    default:
      return undefined;
  }
}

export function readParams(input: decoding.Decoder): Readonly<Record<string, unknown>> {
  const params: unknown = JSON.parse(decoding.readVarString(input));
  if (typeof params !== 'object' || params === null) throw new Error('params are not an object');
  return params as Record<string, unknown>;
}

function readSession(input: decoding.Decoder): JsonObject | undefined {
  const text = decoding.readVarString(input);
  return text === '' ? undefined : (JSON.parse(text) as JsonObject);
}
