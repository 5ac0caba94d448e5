import { digest } from 'lib0/hash/sha256';
import { encodeUtf8 } from 'lib0/string';

/** Sequences that depend on nothing but a name: equal names give equal numbers and ids, on every machine. */
export interface Derived {
  /** The next number in [0, 1): 53 bits of SHA-256(name, "random", count). */
  random(): number;
  /** The next UUID (version 8, RFC 9562): 122 bits of SHA-256(name, "id", count). */
  newId(): string;
}

export function createDerived(name: string): Derived {
  let randoms = 0;
  let ids = 0;
  const hash = (kind: string, count: number): Uint8Array => digest(encodeUtf8(`${name}/${kind}/${count}`));
  return {
    random() {
      const view = new DataView(hash('random', randoms++).buffer);
      return (view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11)) / 2 ** 53;
    },
    newId() {
      const bytes = hash('id', ids++).slice(0, 16);
      bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
      bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
    },
  };
}
