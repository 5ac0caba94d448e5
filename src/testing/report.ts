/** What may be counted in a run. */
export const KINDS = [
  'frames',
  'tabMessages',
  'timers',
  'mutations',
  'tabCrashes',
  'relayCrashes',
  'cuts',
  'drops',
  'lateFrames',
  'partitions',
  'refusals',
  'unsynced',
  'diskFailures',
  'clockSteps',
  'closes',
  'freezes',
  'denials',
  'acks',
  'epochs',
  'folds',
] as const;

export type Kind = (typeof KINDS)[number];

/** The kinds that are steps. */
export const STEPS: readonly Kind[] = ['frames', 'tabMessages', 'timers', 'mutations', 'tabCrashes', 'relayCrashes'];

/**
 * - `frames`: messages that arrived; `lateFrames`: those of them that arrived after the tab had given up their link.
 * - `tabMessages`: what tabs of a device said to each other.
 * - `timers`: timers of stores and relay that fired.
 * - `mutations`: mutations made by stores; `acks`: how many of them their stores heard to be kept.
 * - `tabCrashes`, `relayCrashes`: parties that vanished; `unsynced`: what they still waited for of a disk, and was lost.
 * - `denials`: mutations that the relay's access rules refused.
 * - `cuts`: links that were broken; `drops`: messages lost with them.
 * - `partitions`: times a device's messages were held; `refusals`: times it could not connect.
 * - `diskFailures`: calls of the relay's disk that failed; `clockSteps`: clocks that were set; `closes`: clean closes;
 *   `freezes`: tabs in which nothing ran for a while; `epochs`: times the room's documents were made afresh;
 *   `folds`: times a tab folded its device's log into the documents there.
 */
export type Counts = Readonly<Record<Kind, number>>;

export interface SimulationReport extends Counts {
  readonly seed: number;
  readonly steps: number;
  readonly rounds: number;
  /** Mutations that a device had on disk and the log has not: always 0, since anything else rejects. */
  readonly lost: 0;
  /** Stores whose rows were not those of the log in the end: always 0. */
  readonly diverged: 0;
  /** Stores that did not get level in time: always 0. */
  readonly stuck: 0;
  /** Of every step and all final rows: equal seeds have equal ones. */
  readonly digest: string;
}

/** A report in one line. */
export function reportLine(report: SimulationReport): string {
  const { seed, steps, rounds, lost, diverged, stuck, digest } = report;
  const counts = KINDS.map((kind) => `${kind}=${report[kind]}`);
  return [
    `seed=${seed} steps=${steps} rounds=${rounds}`,
    ...counts,
    `lost=${lost} diverged=${diverged} stuck=${stuck} digest=${digest}`,
  ].join(' ');
}
