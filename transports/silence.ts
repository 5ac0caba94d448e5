import type { Clock } from '../src/ports/clock.ts';

/** Watches whether the other side of a link gives signs of life. */
export interface SilenceWatch {
  /** It has given one. */
  heard(): void;
  /** The link is gone. */
  end(): void;
}

/** Calls `ping` when nothing was heard for `pingMs`, by default 25 s, and `drop` when that is so for `pongMs` more, by default 20 s. */
export function watchSilence(
  options: { readonly clock: Clock; readonly pingMs?: number; readonly pongMs?: number },
  ping: () => void,
  drop: (ms: number) => void,
): SilenceWatch {
  const { clock, pingMs = 25_000, pongMs = 20_000 } = options;
  let isAsked = false;
  const rest = (): (() => void) => clock.after(pingMs, ask);
  const ask = (): void => {
    isAsked = true;
    ping();
    cancel = clock.after(pongMs, () => drop(pongMs));
  };
  let cancel = rest();
  return {
    heard() {
      if (!isAsked) return;
      isAsked = false;
      cancel();
      cancel = rest();
    },
    end: () => cancel(),
  };
}
