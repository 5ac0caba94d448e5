import type { Clock } from '../ports/clock.ts';
import type { StorageBatch } from '../ports/client-storage.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import type { CallFrame, StoreFrame } from '../protocol/frames.ts';
import { callKeys, callPut, type StoredCall } from './calls.ts';
import type { Core } from './core.ts';

/** Something to be sent behind the mutations up to a place. */
export interface Asked {
  readonly place: number;
  /** The frame, as it leaves; `undefined` when it is not wanted any more. */
  take(): StoreFrame | undefined;
}

/** Calls that the relay has not answered, on this device and to be sent. */
export interface WaitingCalls {
  has(run: string): boolean;
  /** A call that was made here. It is written down. */
  add(call: StoredCall): Asked;
  /** Calls that are this tab's to send: whether they have left the device nobody knows. */
  hold(calls: readonly StoredCall[]): void;
  /** Writes down what was asked before the device could be written to. */
  keep(): void;
  /** Takes over what another tab of the device was to send. Resolves with it, if it was still there to be taken. */
  claim(call: StoredCall, key: MutationKey): Promise<StoredCall | undefined>;
  /** The same of a run that waits here already, asked for with the same key: it is sent once, or taken back once. */
  absorb(call: StoredCall): Promise<void>;
  /** Those that are on no disk, and never will be. */
  unwritten(): readonly string[];
  /** Whether a call has not left this tab. */
  isHere(run: string): boolean;
  /**
   * Takes a call back that has not left this tab: it does not from now on. Resolves with whether nobody else sends it
   * either; otherwise another tab has taken it over, has asked for the same, or may have.
   */
  withdraw(run: string): Promise<boolean>;
  /** The relay knows of it, or never will. */
  settle(run: string): void;
  /** In the order in which they were made. */
  all(): readonly StoredCall[];
  toAsked(call: StoredCall): Asked;
  close(): void;
}

interface Waiting {
  readonly call: StoredCall;
  /** It was written down, as far as is known, so that another tab may have found it. */
  isWritten: boolean;
  isSent: boolean;
  /** Whether it is taken back is being found out. */
  isLeaving: boolean;
  readonly stopTimer: () => void;
}

/**
 * `expired` hears of a call whose time was over before it left this device. Of several stores of a device its record says
 * whose a call is to send: it is moved by who takes it over, and deleted by who takes it back.
 */
export function createWaitingCalls(core: Core, clock: Pick<Clock, 'after'>, expired: (call: StoredCall) => void): WaitingCalls {
  const waiting = new Map<string, Waiting>();
  const write = core.disk.writeQuietly;

  function settle(run: string): void {
    const item = waiting.get(run);
    if (!item) return;
    item.stopTimer();
    waiting.delete(run);
    write({ delete: [callKeys.call(item.call.key)] });
  }

  const isHere = (run: string): boolean => waiting.get(run)?.isSent === false;

  async function withdraw(run: string): Promise<boolean> {
    const item = waiting.get(run);
    if (!item || item.isSent) return false;
    item.isLeaving = true;
    const isMine = !item.isWritten || (!(await isAskedElsewhere(item.call)) && (await takeOff(item.call)) === true);
    item.isLeaving = false;
    if (isMine) settle(run);
    return isMine;
  }

  /** With a key the same run may be asked for in several tabs. */
  async function isAskedElsewhere({ run, key, idempotencyKey }: StoredCall): Promise<boolean> {
    if (idempotencyKey === '') return false;
    const { calls = [] } = (await core.disk.requests()) ?? {};
    return calls.some((call) => call.run === run && call.key.replica !== key.replica);
  }

  /** Takes a record off the disk, `put` in its place. `undefined`: that failed; `false`: it was taken over. */
  async function takeOff({ key }: StoredCall, put: StorageBatch['put'] = []): Promise<boolean | undefined> {
    let isThere = false;
    const isDone = await core.disk.change([callKeys.call(key)], ([record]) => {
      isThere = record !== undefined;
      return isThere ? { put, delete: [callKeys.call(key)] } : {};
    });
    return isDone ? isThere : undefined;
  }

  async function claim(call: StoredCall, key: MutationKey): Promise<StoredCall | undefined> {
    const own = { ...call, key };
    const isTaken = await takeOff(call, [callPut(own)]);
    // Where nothing can be written any more it is sent as it is: whoever else does, it is one run.
    if (isTaken === undefined) return call;
    return isTaken ? own : undefined;
  }

  function add(call: StoredCall, isSent: boolean): void {
    const expire = (): void => void withdraw(call.run).then((isMine) => isMine && expired(call));
    // Whether a relay that may have heard of it lets it run, only that one can say.
    const isTimed = call.expiresAt > 0 && !isSent;
    const stopTimer = isTimed ? clock.after(Math.max(0, call.expiresAt - core.now()), expire) : () => undefined;
    waiting.set(call.run, { call, isWritten: isSent || core.disk.isOpen, isSent, isLeaving: false, stopTimer });
  }

  const toAsked = (call: StoredCall): Asked => ({
    place: call.place,
    take() {
      const item = waiting.get(call.run);
      if (!item || item.isLeaving) return undefined;
      item.isSent = true;
      item.stopTimer();
      return toFrame(call);
    },
  });

  return {
    has: (run) => waiting.has(run),
    add(call) {
      add(call, false);
      write({ put: [callPut(call)] });
      return toAsked(call);
    },
    hold(calls) {
      for (const call of calls) if (!waiting.has(call.run)) add(call, true);
    },
    keep() {
      for (const item of waiting.values()) item.isWritten = core.disk.isOpen;
      write({ put: [...waiting.values()].map(({ call }) => callPut(call)) });
    },
    claim,
    absorb: async (call) => void (await takeOff(call)),
    unwritten: () => [...waiting.values()].flatMap(({ call, isWritten }) => (isWritten ? [] : [call.run])),
    isHere,
    withdraw,
    settle,
    all: () => [...waiting.values()].map(({ call }) => call).sort((a, b) => a.place - b.place),
    toAsked,
    close() {
      for (const { stopTimer } of waiting.values()) stopTimer();
    },
  };
}

function toFrame({ run, name, input, idempotencyKey, expiresAt }: StoredCall): CallFrame {
  return { type: 'call', run, name, input, key: idempotencyKey, expiresAt };
}
