import type { Clock } from '../ports/clock.ts';
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
  /** Calls that the device kept: whether they have left it nobody knows. */
  load(calls: readonly StoredCall[]): void;
  /** Takes over what another tab of the device was to send. Resolves with it, if it was still there to be taken. */
  claim(call: StoredCall, key: MutationKey): Promise<StoredCall | undefined>;
  /** Whether a call has not left this tab. */
  isHere(run: string): boolean;
  /**
   * Takes a call back that has not left this tab: it does not from now on. Resolves with whether nobody else sends it
   * either; otherwise another tab has taken it over.
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
    const isMine = await removed(item.call);
    item.isLeaving = false;
    if (isMine) settle(run);
    return isMine;
  }

  /** A record that is not there was taken over. Where nothing is kept nobody else has it. */
  async function removed({ key }: StoredCall): Promise<boolean> {
    let isThere = false;
    const isDone = await core.disk.compact([callKeys.call(key)], ([record]) => {
      isThere = record !== undefined;
      return isThere ? { delete: [callKeys.call(key)] } : {};
    });
    return isThere || !isDone;
  }

  async function claim(call: StoredCall, key: MutationKey): Promise<StoredCall | undefined> {
    const own = { ...call, key };
    let isThere = false;
    const isDone = await core.disk.compact([callKeys.call(call.key)], ([record]) => {
      isThere = record !== undefined;
      return isThere ? { put: [callPut(own)], delete: [callKeys.call(call.key)] } : {};
    });
    // Where nothing can be written any more it is sent as it is: whoever else does, it is one run.
    if (!isDone) return call;
    return isThere ? own : undefined;
  }

  function hold(call: StoredCall, isSent: boolean): void {
    const expire = (): void => void withdraw(call.run).then((isMine) => isMine && expired(call));
    // Whether a relay that may have heard of it lets it run, only that one can say.
    const isTimed = call.expiresAt > 0 && !isSent;
    const stopTimer = isTimed ? clock.after(Math.max(0, call.expiresAt - core.now()), expire) : () => undefined;
    waiting.set(call.run, { call, isSent, isLeaving: false, stopTimer });
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
      hold(call, false);
      write({ put: [callPut(call)] });
      return toAsked(call);
    },
    load(calls) {
      // Those that were made before the device could be written to.
      write({ put: [...waiting.values()].map(({ call }) => callPut(call)) });
      for (const call of calls) if (!waiting.has(call.run)) hold(call, true);
    },
    claim,
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
