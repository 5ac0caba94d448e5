/**
 * Cuts a piece so that no half of a surrogate pair is sent: the half that a piece ends with waits for the next one.
 * `rest` goes before the next piece.
 */
export function wholeText(piece: string): { readonly text: string; readonly rest: string } {
  const isHalf = isFirstHalf(piece.charCodeAt(piece.length - 1));
  return isHalf ? { text: piece.slice(0, -1), rest: piece.slice(-1) } : { text: piece, rest: '' };
}

/**
 * Where to cut text that begins at `from`, so that the part takes no more than `bytes` as UTF-8 and ends within no
 * surrogate pair. At least one character is in it.
 */
export function cutText(text: string, from: number, to: number, bytes: number): number {
  // Three bytes are the most that a code unit takes.
  if ((to - from) * 3 <= bytes) return to;
  let left = bytes;
  let at = from;
  while (at < to) {
    const unit = text.charCodeAt(at);
    const isPair = isFirstHalf(unit) && at + 1 < to;
    left -= isPair ? 4 : unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
    if (left < 0 && at > from) break;
    at += isPair ? 2 : 1;
  }
  return at;
}

function isFirstHalf(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
