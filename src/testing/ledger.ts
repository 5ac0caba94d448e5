import { RELAY_WRITER } from '../ports/writer-ids.ts';
import { createLogFold, type Migrations } from './log-fold.ts';
import type { RoomOnDisk } from './relay-disk.ts';
import type { Party } from './schedule.ts';

/** An open store. */
export interface Onlooker {
  readonly userId: string;
  /** The mutations made in it. */
  readonly made: ReadonlySet<string>;
}

/** What must be true at every step, and what has to be remembered to tell. */
export interface Ledger {
  /** The first thing that was not as promised. */
  readonly violation: string | undefined;
  violated(what: string): void;
  /** A store took a mutation. */
  made(mutation: string, userId: string): void;
  /** Its record is on a device's disk. */
  kept(mutation: string): void;
  /** Its record is gone with a device's storage. Whoever wrote it, and lives, has it still; with that one it ends. */
  forgotten(mutation: string, holder: Party | undefined): void;
  /** The device knows of an older record of it only: that what was sent since may still arrive, it cannot know when it gives up. */
  reverted(mutation: string): void;
  /** It will not be, as its store has told: the device's storage is gone. */
  unkept(mutation: string): void;
  /** Its store was told that its record is there. */
  stored(mutation: string): void;
  confirmed(mutation: string): void;
  rejected(mutation: string): void;
  /** A power cut has taken its end back, which a store alone had judged and told. */
  revived(mutation: string): void;
  /** A store shows the effect of these. They are looked at in `check`: the step that made them has to end first. */
  shows(store: Onlooker, mutations: readonly string[]): void;
  /** The relay has told a store that nothing more of this writer is taken. */
  fenced(writer: number): void;
  /** Reads what is new in the log, as it is on disk, and whether a new epoch has begun behind it. */
  read(log: readonly Uint8Array[], room: RoomOnDisk | undefined): void;
  /** Whether it is in the log. */
  isAccepted(mutation: string): boolean;
  /** To be called after each step. */
  check(): void;
  /** What should be in the log and is not. */
  lost(): readonly string[];
  /** Table by table, what an independent fold of the log gives. */
  rows(table: string): Record<string, Record<string, unknown>>;
}

/** `reborn` hears of each new epoch, and whether rows were migrated for it. */
export function createLedger(migrations: Migrations, reborn: (isMigrated: boolean) => void): Ledger {
  const fold = createLogFold(migrations);
  const userOf = new Map<string, string>();
  const kept = new Set<string>();
  const unkept = new Set<string>();
  /** What no device holds any more, and who does. */
  const forgotten = new Map<string, Party | undefined>();
  const rejected = new Set<string>();
  const reverted = new Set<string>();
  const inLog = new Set<string>();
  const fenced = new Set<number>();
  /** The number of each writer's last entry. */
  const numbers = new Map<number, number>();
  let seen: { readonly store: Onlooker; readonly mutation: string }[] = [];
  let length = 0;
  let epoch = 1;
  /** Of the schema that the rows are of. */
  let version = 0;
  let violation: string | undefined;

  const violated = (what: string): void => void (violation ??= what);
  const isOwed = (mutation: string): boolean => !forgotten.has(mutation) || forgotten.get(mutation)?.isAlive === true;

  return {
    get violation() {
      return violation;
    },
    violated,
    made(mutation, userId) {
      if (userOf.has(mutation)) violated(`the id ${mutation} was given out twice`);
      userOf.set(mutation, userId);
    },
    kept(mutation) {
      kept.add(mutation);
      forgotten.delete(mutation);
    },
    unkept: (mutation) => void unkept.add(mutation),
    forgotten: (mutation, holder) => void forgotten.set(mutation, holder),
    reverted: (mutation) => void reverted.add(mutation),
    stored(mutation) {
      if (!kept.has(mutation)) violated(`${mutation} was stored, and is not on the device`);
    },
    confirmed(mutation) {
      if (!inLog.has(mutation)) violated(`${mutation} was confirmed, and is not in the log`);
    },
    rejected(mutation) {
      if (inLog.has(mutation) && !reverted.has(mutation)) violated(`${mutation} was rejected, and is in the log`);
      rejected.add(mutation);
    },
    revived: (mutation) => void rejected.delete(mutation),
    shows(store, mutations) {
      for (const mutation of mutations) seen.push({ store, mutation });
    },
    fenced: (writer) => void fenced.add(writer),
    read(log, room) {
      for (; length < log.length; length++) {
        const bytes = log[length];
        if (!bytes) return violated(`entry ${length + 1} of the log is missing`);
        const { seq, mutation, writer, number } = fold.add(bytes);
        if (seq !== length + 1) violated(`entry ${length + 1} of the log is numbered ${seq}`);
        if (inLog.has(mutation)) violated(`${mutation} is in the log twice`);
        if (rejected.has(mutation) && !reverted.has(mutation)) violated(`${mutation} is in the log, and was rejected`);
        const isOnDevice = kept.has(mutation) || unkept.has(mutation);
        if (writer !== RELAY_WRITER && !isOnDevice) violated(`${mutation} is in the log, and its record never was on a device`);
        if (fenced.has(writer)) violated(`${mutation} is in the log as written by ${writer}, which the relay had fenced`);
        const last = numbers.get(writer) ?? 0;
        if (number !== last + 1) violated(`${mutation} is in the log as number ${number} of writer ${writer}, behind number ${last}`);
        numbers.set(writer, number);
        inLog.add(mutation);
      }
      if (!room) return;
      version ||= room.schemaVersion;
      if (room.epoch === epoch) return;
      if (room.epoch !== epoch + 1) violated(`epoch ${room.epoch} came after ${epoch}`);
      if (room.schemaVersion < version) violated(`the room went back from version ${version} to ${room.schemaVersion}`);
      if (!room.documents) return violated(`epoch ${room.epoch} begins with nothing`);
      epoch = room.epoch;
      fold.reborn(room.documents, version, room.schemaVersion);
      reborn(room.schemaVersion > version);
      version = room.schemaVersion;
    },
    isAccepted: (mutation) => inLog.has(mutation),
    check() {
      for (const { store, mutation } of seen) {
        const { userId, made } = store;
        if (inLog.has(mutation) || made.has(mutation)) continue;
        // A device shows what a tab of it made, though that tab did not live to tell.
        const maker = userOf.get(mutation) ?? (kept.has(mutation) ? userId : 'nobody');
        if (maker !== userId) violated(`a store of ${userId} shows ${mutation} of ${maker}, which is not in the log`);
        else if (!kept.has(mutation) && !unkept.has(mutation))
          violated(`a store of ${userId} shows ${mutation} of another tab, which is on no disk`);
      }
      seen = [];
    },
    lost: () => [...kept].filter((mutation) => !inLog.has(mutation) && !rejected.has(mutation) && isOwed(mutation)),
    rows: fold.rows,
  };
}
