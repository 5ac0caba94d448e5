import { CotableError } from '../errors.ts';
import type { OpenLink, Wire } from '../link/connector.ts';
import { decodeFrame, encodeFrame } from '../protocol/codec.ts';
import type { RelayFrame, StoreFrame } from '../protocol/frames.ts';

export type StoreLink = OpenLink<StoreFrame>;

export const storeWire: Wire<StoreFrame, RelayFrame> = {
  encode: encodeFrame,
  decode(bytes) {
    const frame = decodeFrame(bytes);
    if (isRelayFrame(frame)) return frame;
    throw new CotableError('protocol.badFrame', { problem: `a relay does not send ${frame.type}` });
  },
};

function isRelayFrame(frame: RelayFrame | StoreFrame): frame is RelayFrame {
  return frame.type !== 'hello' && frame.type !== 'mutate' && frame.type !== 'auth' && frame.type !== 'bye' && frame.type !== 'ping';
}
