import type { Patch } from '../tools/patched-build.mjs';

export interface PlantedBug {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly found: RegExp;
  readonly args?: readonly string[];
  readonly isQuick?: boolean;
}

export interface Search {
  readonly isFound: boolean;
  readonly seed: number | undefined;
  readonly steps: number;
  readonly said: string;
}

export declare const plantedBugs: readonly PlantedBug[];
export declare function withBug<T>(bug: PlantedBug, run: (folder: string) => Promise<T>): Promise<T>;
export declare function findBug(bug: PlantedBug, steps?: number, seeds?: number): Promise<Search>;
