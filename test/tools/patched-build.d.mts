/** A piece of what is built, which is there once, and what stands in its place. */
export interface Patch {
  /** A file below `dist`, or a folder in whose files it is once. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export declare const dist: string;
export declare function withPatchedBuild<T>(
  patches: readonly Patch[],
  parts: readonly string[],
  work: (folder: string) => Promise<T>,
): Promise<T>;
export declare function timesOf(folder: string, patch: Patch): number;
