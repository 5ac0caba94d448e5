import { isCotableError } from '../errors.ts';
import type { Random } from '../ports/clock.ts';
import type { BackendConfig, NoPlatform } from '../relay/backend.ts';
import { DEFAULT_LIMITS, type Compaction } from '../relay/limits.ts';
import type { Platform } from '../relay/platform.ts';
import type { Policy } from '../relay/runs/policy.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { Store } from '../store/types.ts';
import type { JsonObject } from '../util/json.ts';
import { appVersion, type AppVersion } from './app-version.ts';
import { createDice } from './dice.ts';
import { createDigest, type Digest } from './digest.ts';
import { FAULTS, KINDS_OF, type Fault } from './faults.ts';
import { createFinals } from './finals.ts';
import { createGreetings } from './greetings.ts';
import { createLedger } from './ledger.ts';
import { migrationsOf } from './migrations.ts';
import type { Outside } from './outside.ts';
import { KINDS, RUN_KINDS, STEPS, type Kind, type RunKind, type SimulationReport } from './report.ts';
import type { Seat } from './place.ts';
import { createRunLedger, type RunLedger } from './run-ledger.ts';
import { createStorm } from './storm.ts';
import { countStreams } from './stream-count.ts';
import { watch } from './watch.ts';
import { roughWeather } from './weather.ts';
import { createWorld, type Tab } from './world.ts';

/** A backend of any schema. */
export interface AnyBackend {
  readonly schema: AnySchema;
  readonly mutators: object;
  readonly access?: object;
}

export interface SimulateOptions<S extends AnySchema, P extends Platform = NoPlatform> {
  readonly backend: BackendConfig<S, P>;
  /**
   * What actions call outside: takes the place of the backend's capabilities of the same names. Only what takes its time and
   * chance from `outside` can be simulated.
   */
  readonly platform?: (outside: Outside) => NoInfer<Partial<P>>;
  /** Decides everything: equal seeds give equal runs, with equal digests. */
  readonly seed: number;
  /** At least so many: a frame delivered, a timer fired, a mutation and a crash are one step each. */
  readonly steps: number;
  /** Devices, one user each; the last has two tabs or three. Default 3. */
  readonly clients?: number;
  /**
   * Makes a mutation or two, or asks for a run, in a store that may be offline, or not even loaded. What its promise rejects
   * with is ignored.
   */
  readonly act: (store: Store<S>, random: Random) => unknown;
  /** Called for every store as it opens: subscribes to what it likes. */
  readonly watch?: (store: Store<S>, watcher: Watcher) => void;
  /** Throws when what a store shows cannot be. Called for every store at the end of each round, when all is level. */
  readonly invariant?: (store: Store<S>) => void;
  /** The ids of the mutations that a row shows, where rows tell: nobody may see another user's before it is kept. */
  readonly marks?: (table: string, row: JsonObject) => readonly string[];
  /**
   * The next versions of the app, with rising `schemaVersion`: in some rounds the relay comes back with them, and pages do
   * when they are loaded again, before it or after. Default: none. `act` and `invariant` then get stores of all of them.
   */
  readonly upgrades?: readonly AnyBackend[];
  /** What may go wrong. Default: everything. */
  readonly faults?: readonly Fault[];
  /** What of runs and streams must have happened in a run of 100,000 steps. Default: nothing, since that is up to the app. */
  readonly expects?: readonly RunKind[];
  /** Hears how many steps were made, after each round. */
  readonly progress?: (steps: number) => void;
  /** Runs this round only, as it is in a whole run of this seed. */
  readonly round?: number;
}

/** Who follows what a store shows. */
export interface Watcher {
  /** Of the store. */
  readonly userId: string;
  /**
   * Whether the last link of the store lost a message and went on, as none should: until the next one the store may show
   * things out of step.
   */
  isLeaky(): boolean;
  /** Something is shown that cannot be: the run fails. */
  violated(what: string): void;
}

/** A round begins with nothing, and after so many steps everything has to come right. Few are long: their logs are. */
const SHORT_ROUND = 800;
const LONG_ROUND = 4_000;
/** In a run of so many steps every kind of fault has to have happened. */
const ENOUGH_STEPS = 100_000;
const CLIENTS = 3;
const ROOM = 'room';

/** In one of so many rounds documents are made afresh all the time. Not in all: the road back mends much that would show. */
const EAGER_ROUNDS = 3;
/** So many rounds see the app's next versions come. */
const UPGRADED = 0.3;
const EAGER: Compaction = { ...DEFAULT_LIMITS.compaction, ratio: 1, minItems: 20, writers: 20, restMs: 5_000 };

type Totals = Record<Kind, number>;

/**
 * Stores and a relay of production on simulated links, disks and clocks, with everything going wrong that may: see
 * `report.ts` for what that is. Rejects at the first step after which something is not as promised; the message names the
 * seed, the round, the step and how to see it again. Nothing but the seed decides what happens, as long as `act` and the
 * mutators keep to what they are given.
 */
export async function simulate<S extends AnySchema, P extends Platform = NoPlatform>(
  options: SimulateOptions<S, P>,
): Promise<SimulationReport> {
  const upgrades = (options.upgrades ?? []) as readonly BackendConfig<AnySchema>[];
  // No seed decides what tokens say.
  const versions = [appVersion(options.backend), ...upgrades.map((one) => appVersion(one))].map((app) => ({ ...app, hooks: {} }));
  const totals = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Totals;
  const digest = createDigest();
  let rounds = 0;
  if (options.round !== undefined) {
    rounds = 1;
    await playRound(options, versions, options.round, totals, digest);
  } else {
    while (stepsOf(totals) < options.steps) {
      await playRound(options, versions, rounds, totals, digest);
      rounds += 1;
      options.progress?.(stepsOf(totals));
    }
  }
  const steps = stepsOf(totals);
  const missing = expectedKinds(options).filter((kind) => totals[kind] === 0);
  if (steps >= ENOUGH_STEPS && missing.length > 0)
    throw new Error(`seed=${options.seed}: in ${steps} steps there were no ${missing.join(', ')}`);
  return { seed: options.seed, steps, rounds, ...totals, lost: 0, diverged: 0, stuck: 0, digest: digest.value() };
}

/** What must have happened in a run that is long enough. */
function expectedKinds<S extends AnySchema, P extends Platform>(options: SimulateOptions<S, P>): readonly Kind[] {
  const { backend, upgrades = [], faults = FAULTS, expects = [] } = options;
  const left = FAULTS.filter((fault) => !faults.includes(fault));
  const never = new Set<Kind>(left.flatMap((fault) => KINDS_OF[fault]));
  if (left.length > 0) for (const kind of ['repeats', 'epochs', 'drops', 'lateFrames'] as const) never.add(kind);
  if (!backend.access) never.add('denials');
  if (upgrades.length === 0) for (const kind of ['upgrades', 'migrations', 'outdated', 'ahead'] as const) never.add(kind);
  for (const kind of RUN_KINDS) if (!expects.includes(kind)) never.add(kind);
  return KINDS.filter((kind) => !never.has(kind));
}

function stepsOf(totals: Totals): number {
  return STEPS.reduce((sum, kind) => sum + totals[kind], 0);
}

async function playRound<S extends AnySchema, P extends Platform>(
  options: SimulateOptions<S, P>,
  versions: readonly AppVersion[],
  round: number,
  totals: Totals,
  digest: Digest,
): Promise<void> {
  const { seed, backend, act, marks = () => [], clients = CLIENTS } = options;
  const dice = createDice(seed, round);
  const ledger = createLedger(migrationsOf(versions), (isMigrated) => count(isMigrated ? 'migrations' : 'epochs'));
  const greetings = createGreetings(ledger, (kind) => count(kind));
  const tables = Object.keys(backend.schema.tables);
  const before = stepsOf(totals);
  const hasTabBus = dice.chance(0.8);

  const count = (kind: Kind, times = 1): void => {
    totals[kind] += times;
    digest.text(`${kind} ${times} ${world.schedule.now}`);
  };
  const runs = createRunLedger({ policy: (action) => versions[0]?.actions[action], violated: ledger.violated, count });
  const world = createWorld({
    versions: versions.map((app) => noted(app, runs)),
    platform: options.platform as ((outside: Outside) => Platform) | undefined,
    dice: dice.fork(),
    weather: roughWeather(dice.fork()),
    limits: round % EAGER_ROUNDS === EAGER_ROUNDS - 1 ? { ...DEFAULT_LIMITS, compaction: EAGER } : DEFAULT_LIMITS,
    hasTabBus,
    events: {
      arrived(message, isUp, isLate) {
        count('frames');
        if (isLate) count('lateFrames');
        const repeats = isUp ? greetings.repeats(message) : 0;
        if (repeats > 0) count('repeats', repeats);
        countStreams(message, count);
        digest.bytes(message);
      },
      heard(message) {
        count('tabMessages');
        digest.text(JSON.stringify(message, (_, value: unknown) => (value instanceof Map ? [...value] : value)));
      },
      lost: () => count('drops'),
      timer: () => count('timers'),
      dropped({ lost, landed }) {
        if (lost > 0) count('unsynced', lost);
        if (landed > 0) count('landed', landed);
      },
      sent: greetings.sent,
      loaded: greetings.loaded,
      kept: ledger.kept,
      forgotten: ledger.forgotten,
      reverted: ledger.reverted,
      folded: () => count('folds'),
      revived: (mutation) => world.relayDisk.hasRefused(ROOM, mutation) || ledger.revived(mutation),
      synced: () => ledger.read(world.relayDisk.log(ROOM), world.relayDisk.room(ROOM)),
      failed: () => count('diskFailures'),
      denied: () => count('denials'),
      trouble(message, { error }) {
        if (!isCotableError(error, 'storage.unavailable')) ledger.violated(`the relay: ${message}: ${String(error)}`);
      },
      runs,
    },
  });
  const chance = dice.fork();
  const stores = new Map<Tab, Store<S>>();
  const open = ({ device, userId }: Seat, skew: number, version: number): Tab => {
    const tab = world.open(device, userId, ROOM, { clockSkew: skew, hasRules: chance.chance(0.5), version });
    const isExcused = (code: string): boolean => {
      if (code === 'schema.tooOld') {
        count('outdated');
        storm.outdated(tab);
        return version < newest;
      }
      if (code === 'schema.tooNew') count('ahead');
      return (code === 'schema.tooNew' && version > 0) || world.network.isLeaky(tab.party);
    };
    const watched: unknown = watch(tab, tables, marks, ledger, runs, count, isExcused);
    const store = watched as Store<S>;
    stores.set(tab, store);
    options.watch?.(store, {
      userId,
      isLeaky: () => world.network.isLeaky(tab.party),
      violated: (what) => tab.party.isAlive && ledger.violated(`${tab.party.name}: ${what}`),
    });
    return tab;
  };
  const actIn = (tab: Tab): void => {
    const store = stores.get(tab);
    if (store && !tab.party.frozen) ignore(act(store, chance.random));
  };
  const devices = Array.from({ length: clients }, (_, index) => world.device(`device${index + 1}`));
  const shared = devices.slice(-1);
  const seats = [...devices, ...shared, ...(dice.chance(0.3) ? shared : [])].map((device) => ({
    device,
    userId: `user of ${device.name}`,
  }));
  const newest = dice.chance(UPGRADED) ? versions.length - 1 : 0;
  const { faults = FAULTS } = options;
  const storm = createStorm({ world, dice: dice.fork(), seats, open, count, act: actIn, faults, newest });
  async function step(): Promise<void> {
    await world.schedule.next();
    ledger.check();
    if (ledger.violation !== undefined) throw new Error(ledger.violation);
  }

  const finals = createFinals({
    world,
    ledger,
    runs,
    tables,
    devices,
    step,
    invariant(tab) {
      const store = stores.get(tab);
      if (store) options.invariant?.(store);
    },
  });

  try {
    storm.start();
    const length = dice.chance(0.05) ? LONG_ROUND : SHORT_ROUND;
    while (stepsOf(totals) - before < length) await step();
    if (hasTabBus && dice.chance(0.3)) {
      storm.hush();
      await finals.allShown();
    }
    storm.stop();
    await finals.allLevel();
    // What lies on disks, and what a newcomer gets, is the same as what was in memory.
    storm.restart();
    open({ device: world.device('newcomer'), userId: 'newcomer' }, 0, storm.version);
    await finals.allLevel();
    for (const table of tables) digest.text(JSON.stringify(ledger.rows(table)));
  } catch (error) {
    const at = stepsOf(totals) - before;
    const what = error instanceof Error ? error.message : String(error);
    const replay = `--seed ${seed} --round ${round}${clients === CLIENTS ? '' : ` --clients ${clients}`}`;
    throw new Error(`${what}\nseed=${seed} round=${round} step=${at} of the round; replay: npm run sim -- ${replay}`, { cause: error });
  }
}

/** The same app; the ledger hears of each attempt. */
function noted(app: AppVersion, runs: RunLedger): AppVersion {
  const actions = Object.entries(app.actions).map(([name, policy]): [string, Policy] => {
    const run: Policy['run'] = (ctx, input) => {
      runs.began({ run: ctx.runId, attempt: ctx.attempt });
      return policy.run(ctx, input);
    };
    return [name, { ...policy, run }];
  });
  return { ...app, actions: Object.fromEntries(actions) };
}

/** A mutation that could not be made is no fault. */
function ignore(made: unknown): void {
  Promise.resolve(made).then(undefined, () => undefined);
}
