/** What a text stream says so far, and how it grows: by pieces at offsets, counted in UTF-16 code units. */
export interface TextDelta {
  readonly offset: number;
  readonly text: string;
}

/**
 * Cuts a piece so that no half of a surrogate pair is sent: the half that a piece ends with waits for the next one.
 * `rest` goes before the next piece.
 */
export function wholeText(piece: string): { readonly text: string; readonly rest: string } {
  const last = piece.charCodeAt(piece.length - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return isHalf ? { text: piece.slice(0, -1), rest: piece.slice(-1) } : { text: piece, rest: '' };
}

/** The text with a delta taken in: what is known already is left out. `undefined`: something in between is missing. */
export function extendText(text: string, delta: TextDelta): string | undefined {
  if (delta.offset > text.length) return undefined;
  return text + delta.text.slice(text.length - delta.offset);
}
