import type { Patch } from '../tools/patched-build.mjs';

/** One thing that makes tabs and replays exact, and how the product is without it. */
export interface Line {
  readonly claim: string;
  readonly patches: readonly Patch[];
  /** The test that fails then, by a part of its title. */
  readonly test: readonly [file: string, title: string];
}
