import { createDigest } from './digest.ts';

/** What depends on which runs an app asks for, and what they do. */
export const RUN_KINDS = [
  'calls',
  'runs',
  'sameRuns',
  'attempts',
  'keptSteps',
  'retries',
  'takeovers',
  'timeouts',
  'busyLanes',
  'cancels',
  'expiries',
  'failures',
  'streams',
  'pieces',
  'resumes',
] as const;

/** What may be counted in a run. */
export const KINDS = [
  'frames',
  'tabMessages',
  'timers',
  'mutations',
  'tabCrashes',
  'relayCrashes',
  'powerCuts',
  'cuts',
  'drops',
  'gaps',
  'repeats',
  'lateFrames',
  'partitions',
  'refusals',
  'unsynced',
  'landed',
  'rollbacks',
  'evictions',
  'diskFailures',
  'clockSteps',
  'closes',
  'freezes',
  'denials',
  'acks',
  'epochs',
  'folds',
  'upgrades',
  'migrations',
  'outdated',
  'ahead',
  'leases',
  'returns',
  'reuses',
  ...RUN_KINDS,
] as const;

export type Kind = (typeof KINDS)[number];
export type RunKind = (typeof RUN_KINDS)[number];

/** The kinds that are steps. */
export const STEPS: readonly Kind[] = ['frames', 'tabMessages', 'timers', 'mutations', 'calls', 'tabCrashes', 'relayCrashes'];

/**
 * - `frames`: messages that arrived; `lateFrames`: those of them that arrived after the tab had given up their link.
 * - `tabMessages`: what tabs of a device said to each other.
 * - `timers`: timers of stores and relay that fired.
 * - `mutations`: mutations made by stores; `acks`: how many of them their stores heard to be kept; `repeats`: mutations that
 *   came to the relay when it had kept them already.
 * - `tabCrashes`, `relayCrashes`: parties that vanished. Of what they still waited for of a disk, `unsynced` was lost, and
 *   `landed` was done though nobody was told.
 * - `powerCuts`: devices that vanished with all their tabs; `rollbacks`: their last writes that never were, though the tabs
 *   had been told so. `evictions`: devices that lost all they had stored.
 * - `denials`: mutations that the relay's access rules refused.
 * - `cuts`: links that were broken; `drops`: messages lost with them; `gaps`: links that lost a message before they broke.
 * - `partitions`: times a device's messages were held; `refusals`: times it could not connect.
 * - `diskFailures`: calls of the relay's disk that failed; `clockSteps`: clocks that were set; `closes`: clean closes;
 *   `freezes`: tabs in which nothing ran for a while; `epochs`: times the room's documents were made afresh;
 *   `folds`: times a tab folded its device's log into the documents there.
 * - `upgrades`: times the relay came back with the next version of the app; `migrations`: epochs that began with rows taken
 *   to it; `outdated`: stores that learned that they are too old, `ahead`: that the relay is.
 * - `leases`: small writers that were leased for the first time; `returns`: those that were given back; `reuses`: those
 *   that were leased again.
 * - `calls`: runs asked for by stores directly; `runs`: those that were queued, whoever asked; `sameRuns`: times that one was
 *   asked for which was there, by its key. `attempts`: functions of actions that were called; `retries`: attempts that failed
 *   and were given back to be made again; `takeovers`: attempts that were cut off, as is found out later; `keptSteps`: what
 *   steps gave.
 * - `busyLanes`: runs that were one too many of their lane. `cancels`: runs that were canceled before they had ended;
 *   `expiries`, `failures`, `timeouts`: those that ended so.
 * - `streams`: streams that stores were told of, `pieces`: parts of what they say; `resumes`: times that a store asked for some.
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

/** What the line begins with. */
const FIRST: readonly Kind[] = ['drops', 'repeats', 'acks'];

/** Reports of several seeds in one line: sums, and a digest of their digests; that of one is its own. */
export function reportLine(...reports: readonly SimulationReport[]): string {
  const sum = (count: (report: SimulationReport) => number): number => reports.reduce((total, report) => total + count(report), 0);
  const counts = (kinds: readonly Kind[]): string => kinds.map((kind) => `${kind}=${sum((report) => report[kind])}`).join(' ');
  return [
    `steps=${sum(({ steps }) => steps)} seeds=${reports.length}`,
    `crashes=${sum(({ tabCrashes, relayCrashes }) => tabCrashes + relayCrashes)}`,
    counts(FIRST),
    `rounds=${sum(({ rounds }) => rounds)}`,
    counts(KINDS.filter((kind) => !FIRST.includes(kind))),
    `lost=${sum(({ lost }) => lost)} diverged=${sum(({ diverged }) => diverged)} stuck=${sum(({ stuck }) => stuck)}`,
    `digest=${digestOf(reports)}`,
  ].join(' ');
}

function digestOf(reports: readonly SimulationReport[]): string {
  const [only, ...others] = reports;
  if (only && others.length === 0) return only.digest;
  const digest = createDigest();
  for (const report of reports) digest.text(`${report.seed} ${report.digest}`);
  return digest.value();
}
