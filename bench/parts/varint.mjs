// The variable-length numbers of lib0, which all the protocols here are made of, read without making anything.

/** Walks over a message from `at` on. */
export function createCursor(bytes, at = 0) {
  return {
    get at() {
      return at;
    },
    get isAtEnd() {
      return at >= bytes.length;
    },
    number() {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = bytes[at++];
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    },
    byte: () => bytes[at++],
    /** Passes over bytes, or a text, behind their length. */
    skip() {
      const length = this.number();
      at += length;
    },
    /** A text behind its length. */
    text() {
      const length = this.number();
      at += length;
      return bytes.toString('utf8', at - length, at);
    },
    /** Passes over bytes behind their length, and gives a cursor into them. */
    enter() {
      const length = this.number();
      at += length;
      return createCursor(bytes, at - length);
    },
  };
}
