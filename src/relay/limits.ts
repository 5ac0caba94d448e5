import { MAX_ITEMS } from '../doc/update.ts';
import { CotableError } from '../errors.ts';
import { MAX_FRAME_BYTES } from '../protocol/limits.ts';

/** What one link, and one room, may cost. */
export interface Limits {
  /** A longer WebSocket message closes its link, before it is read, with `protocol.frameTooLarge`. */
  readonly messageBytes: number;
  /** A longer frame closes its link with `protocol.frameTooLarge`. */
  readonly frameBytes: number;
  /** More structs and deleted items than this in one frame close its link with `protocol.gateRefused`. */
  readonly items: number;
  /** What a stream may say, in bytes as UTF-8; of a value each one by itself. A piece beyond it throws `stream.tooLarge`. */
  readonly streamBytes: number;
  /** While more than this waits in the process for one link, it gets no pieces of streams, and afterwards what it lacks of them. */
  readonly ephemeralBytes: number;
  /** More than this waiting in the process for one link closes it with `limit.bytes`. */
  readonly bufferedBytes: number;
  /** A newcomer gets more of what it lacks when no more than this waits for it. */
  readonly catchUpBytes: number;
  /** A link that is waited for so long is closed: with `limit.bytes` while it catches up, with `stream.slowViewer` for its streams. */
  readonly drainMs: number;
  /** A link that has not said hello by then is closed with `protocol.timeout`; a connection that is no WebSocket yet, without a word. */
  readonly helloMs: number;
  /** A link that sends more than this before its welcome is closed with `protocol.frameTooLarge`. */
  readonly greetingBytes: number;
  /** A link that sends more frames than this before its welcome is closed with `protocol.badFrame`. */
  readonly greetingFrames: number;
  /** When more links than this have not said hello, the oldest of them is closed with `limit.links`. */
  readonly strangers: number;
  /** The same for the links of one address. */
  readonly strangersPerAddress: number;
  /** When this many links have said hello, the hello of one more is answered with `limit.links`. */
  readonly links: number;
  /** A WebSocket that is quiet for this long is asked for a sign of life. */
  readonly pingMs: number;
  /** How long it has for that before it is dropped with `protocol.timeout`. */
  readonly pongMs: number;
  /** A room without links leaves memory after this time. */
  readonly unloadMs: number;
  /** Of all rooms, so many runs are at work at once. Users take turns. */
  readonly runs: number;
  /** Of one user, so many runs are at work at once. */
  readonly runsPerUser: number;
  /** While so many runs have not ended, a request of a flow is answered with `flow.capacity`. */
  readonly flowRequests: number;
  /** A user who sends more requests to flows within a minute than this is answered with `limit.rate`. */
  readonly flowRequestsPerMinute: number;
  /** When a room's documents are made afresh. */
  readonly compaction: Compaction;
}

/**
 * A Yjs document keeps a trace of all that was ever written and of every writer. A room is compacted when it is loaded,
 * or while it is used, once one of its tables has more than `minItems + ratio x cells` items, or more than `writers`
 * writers. Stores then take a snapshot and run what is pending again.
 */
export interface Compaction {
  /** How many items a table may have for each cell that is worth keeping. Below 1 it counts as 1. */
  readonly ratio: number;
  /** How many a table may have besides. */
  readonly minItems: number;
  /** How many writers a table may have seen. */
  readonly writers: number;
  /** A room in use is not compacted again before this time has passed. */
  readonly restMs: number;
  /** A delete is remembered for this long: what a device that was away made before it does not bring the row back. */
  readonly keepDeletesMs: number;
}

/**
 * What `createRelay` takes: a part of the limits is enough. Each is a number above 0, or `Infinity` for none; `undefined` is its
 * default. `helloMs` is a whole number. `ephemeralBytes`, `catchUpBytes`, `unloadMs` and those of `compaction` may be 0.
 */
export interface LimitOptions extends Partial<Omit<Limits, 'compaction'>> {
  readonly compaction?: Partial<Compaction>;
}

export const DEFAULT_LIMITS: Limits = {
  messageBytes: 1024 * 1024,
  frameBytes: MAX_FRAME_BYTES,
  items: MAX_ITEMS,
  streamBytes: 1024 * 1024,
  ephemeralBytes: 256 * 1024,
  bufferedBytes: 8 * 1024 * 1024,
  catchUpBytes: 1024 * 1024,
  drainMs: 30_000,
  helloMs: 5_000,
  greetingBytes: 16 * 1024,
  greetingFrames: 8,
  strangers: 2_000,
  strangersPerAddress: 500,
  links: 10_000,
  pingMs: 25_000,
  pongMs: 20_000,
  unloadMs: 30_000,
  runs: 64,
  runsPerUser: 8,
  flowRequests: 1_000,
  flowRequestsPerMinute: 300,
  compaction: {
    ratio: 4,
    minItems: 5_000,
    writers: 2_000,
    restMs: 10 * 60_000,
    keepDeletesMs: 30 * 24 * 60 * 60_000,
  },
};

/** Where 0 makes sense besides `compaction`. */
const MAY_BE_ZERO: readonly string[] = ['ephemeralBytes', 'catchUpBytes', 'unloadMs'] satisfies (keyof Limits)[];

/** Throws `relay.invalidOption`. */
export function limitsOf(options: LimitOptions = {}): Limits {
  requireObject('limits', options);
  const { compaction: ofRooms, ...ofLinks } = DEFAULT_LIMITS;
  const { compaction = {}, ...rest } = options;
  const isZeroFine = (name: string): boolean => MAY_BE_ZERO.includes(name);
  return { ...fill('limits', ofLinks, rest, isZeroFine), compaction: fill('limits.compaction', ofRooms, compaction, () => true) };
}

/** For who writes plain JavaScript. Throws `relay.invalidOption`. */
export function requireObject(path: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) invalid(path, `it is ${value === null ? 'null' : typeof value}, not an object`);
}

function fill<T extends object>(path: string, defaults: T, given: Partial<T>, mayBeZero: (name: string) => boolean): T {
  requireObject(path, given);
  const set: [string, unknown][] = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of set) {
    const at = `${path}.${name}`;
    if (!Object.hasOwn(defaults, name)) invalid(at, 'there is no such limit');
    if (typeof value !== 'number' || Number.isNaN(value)) invalid(at, 'it is no number');
    if (value < 0 || (value === 0 && !mayBeZero(name))) invalid(at, `it is ${value}`);
    // Node takes no other.
    if (name === 'helloMs' && !Number.isInteger(value)) invalid(at, 'it is no whole number');
  }
  return { ...defaults, ...Object.fromEntries(set) };
}

function invalid(path: string, problem: string): never {
  throw new CotableError('relay.invalidOption', { path, problem });
}
