import type { CellBinding, StreamKind } from '../protocol/stream-frames.ts';
import { checksumOfText } from '../util/checksum.ts';

/** Content of a stream with whom it is for. Content of a text is text, of another kind pieces as JSON texts. */
export interface SaidTo {
  readonly to: 'room' | { readonly but: string } | readonly string[];
  readonly content: string | readonly string[];
}

/** A part of a stream as a relay keeps it. */
export interface KeptPart {
  readonly kind: StreamKind;
  readonly cell: CellBinding | undefined;
  readonly said: readonly SaidTo[];
}

/** JSON behind a checksum: what a disk has changed is not shown to anybody. */
export function encodeSaid({ kind, cell, said }: KeptPart): Uint8Array {
  const text = JSON.stringify({ kind, cell, said });
  return new TextEncoder().encode(`${checksumOfText(text)} ${text}`);
}

/** Throws what is wrong with it. */
export function decodeSaid(bytes: Uint8Array): KeptPart {
  const all = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  const end = all.indexOf(' ');
  const text = all.slice(end + 1);
  if (all.slice(0, end) !== String(checksumOfText(text))) throw new Error('its checksum is another');
  const part = JSON.parse(text) as KeptPart;
  return { ...part, cell: part.cell };
}
