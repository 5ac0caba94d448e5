/** A running hash of all that it is told, in order. Not for secrets: it tells two runs apart. */
export interface Digest {
  text(text: string): void;
  bytes(bytes: Uint8Array): void;
  /** 16 hexadecimal digits. */
  value(): string;
}

/** FNV-1a, twice with different multipliers. */
export function createDigest(): Digest {
  let low = 0x811c9dc5;
  let high = 0x1b873593;

  function add(value: number): void {
    low = Math.imul(low ^ value, 0x01000193);
    high = Math.imul(high ^ value, 0x85ebca6b) ^ (low >>> 13);
  }

  return {
    text(text) {
      for (let at = 0; at < text.length; at++) add(text.charCodeAt(at));
      add(0x10000);
    },
    bytes(bytes) {
      for (let at = 0; at < bytes.length; at++) add(bytes[at] as number);
      add(0x10001);
    },
    value: () => [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}
