/**
 * How messages travel over HTTP.
 *
 * Down, as server-sent events, which are text: `open` (data: the link's name), `ping`, `close` (data: a code, or nothing),
 * and one event without a name for each message, numbered from 1 in `id`. A byte is the character of its number, save
 * the two that end lines. For what a relay sends that is 1.04 to 1.13 times the bytes, where base64 is 1.33; and it can
 * still be compressed on the way.
 *
 * Up, as the bodies of POST requests, numbered from 1: each message behind its length, 32 bits, and perhaps a reason to close
 * behind the length `CLOSE`.
 */
export const LINK_HEADER = 'x-cotable-link';
export const BATCH_HEADER = 'x-cotable-batch';

/** Both bytes that would end a line, as characters that no byte has. */
const SHIFT = 0x100;
const LF = 10;
const CR = 13;
const CLOSE = 0xffff_ffff;
/** What each message has around it. */
export const LENGTH_BYTES = 4;
/** As much as one body brings, if there is more than one message in it. */
export const BATCH_BYTES = 256 * 1024;

/** A message as UTF-8 of its characters. */
export function toCharacters(message: Uint8Array): Uint8Array {
  let more = 0;
  for (const byte of message) if (byte >= 0x80 || byte === LF || byte === CR) more += 1;
  const text = new Uint8Array(message.length + more);
  let at = 0;
  for (const byte of message) {
    const character = byte === LF || byte === CR ? byte + SHIFT : byte;
    if (character < 0x80) text[at++] = character;
    else {
      text[at++] = 0xc0 | (character >> 6);
      text[at++] = 0x80 | (character & 0x3f);
    }
  }
  return text;
}

export function fromCharacters(text: string): Uint8Array {
  const message = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) message[at] = text.charCodeAt(at);
  return message;
}

/** A body of messages; `reason` closes the link behind them. */
export function packBatch(messages: readonly Uint8Array[], reason?: string): Uint8Array<ArrayBuffer> {
  const parts = [...messages, ...(reason === undefined ? [] : [new TextEncoder().encode(reason)])];
  const body = new Uint8Array(parts.reduce((sum, part) => sum + LENGTH_BYTES + part.length, 0));
  const view = new DataView(body.buffer);
  let at = 0;
  parts.forEach((part, index) => {
    view.setUint32(at, index < messages.length ? part.length : CLOSE);
    body.set(part, at + LENGTH_BYTES);
    at += LENGTH_BYTES + part.length;
  });
  return body;
}

/** Takes a body apart; each message is a copy of its own. `undefined` when it is not one. */
export function unpackBatch(
  body: Uint8Array,
): { readonly messages: readonly Uint8Array[]; readonly reason: string | undefined } | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < body.length;) {
    if (at + LENGTH_BYTES > body.length) return undefined;
    const length = view.getUint32(at);
    at += LENGTH_BYTES;
    if (length === CLOSE) return { messages, reason: new TextDecoder().decode(body.subarray(at)) };
    if (at + length > body.length) return undefined;
    messages.push(body.slice(at, at + length));
    at += length;
  }
  return { messages, reason: undefined };
}
