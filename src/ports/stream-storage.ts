/** A batch of what an attempt of a run said; `bytes` are opaque here. */
export interface StreamPart {
  readonly room: string;
  readonly run: string;
  readonly attempt: number;
  /** Parts count 1, 2, 3 ... in an attempt. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * The short log: what open streams of runs have said, for as long as their runs have not ended. The transaction that ends
 * a run (`RelayStorage.accept`) takes it away.
 */
export interface StreamStorage {
  /**
   * Keeps what is new of any number of streams in one transaction. The part with number 1 takes the place of all that is
   * kept of its run, any other that of the part with its number. What is not of the last attempt of a run that has not
   * ended is left out; that attempt may have given its run back.
   */
  keepStreams(parts: readonly StreamPart[]): Promise<void>;
  /** All that is kept of a room's streams, the parts of a run in order. */
  keptStreams(room: string): Promise<readonly StreamPart[]>;
}
