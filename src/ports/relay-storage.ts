import type { Refusal } from './refusal.ts';
import type { AttemptName, RunEnding, RunRequest, RunStorage } from './run-storage.ts';
import type { StreamStorage } from './stream-storage.ts';

/** What makes a room's documents what they are: compared before any byte of them is exchanged. */
export interface RoomBirth {
  /** Random, made once: a room that was lost and made again differs in it. */
  readonly lineage: number;
  /** Raised whenever the room's documents are made afresh. */
  readonly epoch: number;
}

/** A mutation's name for ever: the replica it was made on (one per open of a store) and that replica's count, from 1. */
export interface MutationKey {
  readonly replica: number;
  readonly counter: number;
}

/** One accepted mutation as it is kept and sent. `seq` counts 1, 2, 3 ... in a room; `bytes` are opaque here. */
export interface LogEntry {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** What became of a mutation: kept as `seq`, or refused. */
export type Outcome = { readonly seq: number } | { readonly refused: Refusal };

/** How far a writer (a Yjs client id) got: its mutations are numbered 1, 2, 3 ... */
export interface WriterState {
  readonly writer: number;
  /** Who it belongs to, until it is leased anew; an empty string is the relay itself. */
  readonly owner: string;
  /** The number of its last accepted mutation. */
  readonly last: number;
  /** Whether it may never write again. */
  readonly fenced: boolean;
  /** The replica that it is leased to, 0 since it was given back. `undefined`: it was never leased. */
  readonly holder: number | undefined;
}

/** A leased writer as its holder knows it. */
export interface WriterLease {
  readonly writer: number;
  readonly owner: string;
  readonly holder: number;
  readonly last: number;
}

/** All that accepting one mutation leaves behind. */
export interface Acceptance {
  readonly entry: LogEntry;
  readonly mark: MutationKey;
  readonly writer: { readonly writer: number; readonly owner: string; readonly number: number };
  /** Runs to be queued, and cancels of others, in the order they were asked for. */
  readonly runs: readonly RunRequest[];
  /** The attempt of a run that made this mutation; with `ending` the run has ended, at `endedAt`. */
  readonly attempt?: AttemptName & { readonly ending: RunEnding | undefined; readonly endedAt?: number };
}

/** The folded log up to and with `seq`; `bytes` are opaque here. */
export interface Snapshot {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** What a room that is not there yet begins with. */
export interface NewRoom extends RoomBirth {
  /** The version of the schema that its rows are of. */
  readonly schemaVersion: number;
}

/** A room as it stands on disk. */
export interface StoredRoom extends NewRoom {
  /** `seq` of the last entry, 0 for none. */
  readonly head: number;
  readonly snapshot: Snapshot | undefined;
}

/**
 * Where a relay keeps rooms. Every promise that resolves means: on disk, through a power cut. Errors are `storage.*`
 * errors; after one, the call changed nothing. Calls take effect in the order they were made. Byte arrays are copied
 * within the call, and those returned are the caller's own.
 */
export interface RelayStorage extends RunStorage, StreamStorage {
  /** What holds the data, for people: a driver and a place. */
  readonly description: string;
  /**
   * In whose name its relay leases runs, where there is but one at a time: what an earlier one had is taken over at once.
   * Left out: relays share the storage, and each has a name of its own.
   */
  readonly owner?: string;
  /** The room as it stands; made with `birth` when it is not there. */
  openRoom(room: string, birth: NewRoom): Promise<StoredRoom>;
  /**
   * The one transaction of acceptance: all entries, marks, writers and runs of the group, or nothing. Entries are
   * numbered on from `after`. Rejects with `storage.conflict` when the room's head is not `after` or its epoch differs,
   * when an entry's mutation is marked already, when a writer is fenced, was given back, is another owner's or its number is not
   * the next, when a run's id is there already (but see `QueuedRun.once`), or when an attempt is not present. A cancel of
   * a run that has ended, is not there or is another user's does nothing. What is kept of the stream of a run goes as the
   * run ends.
   */
  accept(room: string, position: { readonly epoch: number; readonly after: number }, group: readonly Acceptance[]): Promise<void>;
  /** Entries with `seq` above `after`, ascending, at most `limit` of them. */
  entries(room: string, after: number, limit: number): Promise<readonly LogEntry[]>;
  /** What became of each mutation, in the order asked; `undefined`: never judged. */
  outcomes(room: string, keys: readonly MutationKey[]): Promise<readonly (Outcome | undefined)[]>;
  /** The highest counter of each replica that was accepted or refused, in the order asked; 0: none. */
  lastCounters(room: string, replicas: readonly number[]): Promise<readonly number[]>;
  /** Marks mutations as refused, for ever. One that is marked already keeps its first mark. */
  refuse(room: string, refusals: readonly { readonly mark: MutationKey; readonly refusal: Refusal }[]): Promise<void>;
  /** What is known of each writer, in the order asked; `undefined`: never seen. */
  writers(room: string, writers: readonly number[]): Promise<readonly (WriterState | undefined)[]>;
  /** Fences writers for ever, known or not; those of another owner are left alone. */
  fence(room: string, owner: string, writers: readonly number[]): Promise<void>;
  /**
   * Leases a writer to a replica of `owner`, both never empty: the one it holds already unless that is fenced, else the lowest
   * that was given back, whose numbers go on, else the next above `RELAY_WRITER` and all that were ever seen below
   * `FIRST_PICKED_WRITER`. Rejects with `storage.conflict` when the room is not there or no number is left.
   */
  leaseWriter(room: string, owner: string, replica: number): Promise<WriterState>;
  /**
   * Gives a lease back, so that the writer may be leased again. Resolves with `false` and changes nothing unless it is as the holder
   * says and not fenced.
   */
  returnWriter(room: string, lease: WriterLease): Promise<boolean>;
  /** Keeps a snapshot in place of an older one; one that is not newer is ignored. */
  saveSnapshot(room: string, snapshot: Snapshot): Promise<void>;
  /**
   * Begins the next epoch of a room in one transaction: the epoch is raised by one, the schema's version is set, and
   * `bytes` are the snapshot as of the head, in place of any other. Log, marks, writers and runs stay, and `seq` goes on
   * counting. Rejects with `storage.conflict` when the room's head is not `after`, its epoch differs, or it is not there.
   */
  rebirth(
    room: string,
    position: { readonly epoch: number; readonly after: number },
    reborn: { readonly schemaVersion: number; readonly bytes: Uint8Array },
  ): Promise<void>;
  /** Ends after the calls that were begun. Later calls reject with `storage.closed`. */
  close(): Promise<void>;
}
