import type { Clock } from '../ports/clock.ts';
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
  /** Takes a call back that has not left this device; `false`: it may have. */
  withdraw(run: string): boolean;
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
  readonly stopTimer: () => void;
}

/** `expired` hears of a call whose time was over before it left this device. */
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

  function withdraw(run: string): boolean {
    const item = waiting.get(run);
    if (!item || item.isSent) return false;
    settle(run);
    return true;
  }

  function hold(call: StoredCall, isSent: boolean): void {
    const expire = (): void => void (withdraw(call.run) && expired(call));
    // Whether a relay that may have heard of it lets it run, only that one can say.
    const isTimed = call.expiresAt > 0 && !isSent;
    const stopTimer = isTimed ? clock.after(Math.max(0, call.expiresAt - core.now()), expire) : () => undefined;
    waiting.set(call.run, { call, isSent, stopTimer });
  }

  const toAsked = (call: StoredCall): Asked => ({
    place: call.place,
    take() {
      const item = waiting.get(call.run);
      if (!item) return undefined;
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
