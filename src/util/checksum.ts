/** CRC-32 (the polynomial of zlib and PNG): every change within 32 bits in a row is noticed, any other but one in 2^32. */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** Of the bytes before `end`. */
export function checksumOf(bytes: Uint8Array, end = bytes.length): number {
  let sum = -1;
  // An index and not `of`: this goes over every byte that is kept or read.
  for (let at = 0; at < end; at++) sum = (sum >>> 8) ^ (TABLE[(sum ^ (bytes[at] ?? 0)) & 255] ?? 0);
  return ~sum >>> 0;
}

/** That of a text's UTF-16 code units: no bytes are made for it. */
export function checksumOfText(text: string): number {
  let sum = -1;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    sum = (sum >>> 8) ^ (TABLE[(sum ^ unit) & 255] ?? 0);
    sum = (sum >>> 8) ^ (TABLE[(sum ^ (unit >>> 8)) & 255] ?? 0);
  }
  return ~sum >>> 0;
}
