import type { Clock } from '../../ports/clock.ts';
import type { RunStorage } from '../../ports/run-storage.ts';

/** A run belongs to its relay for this long from the last renewal. */
export const LEASE_MS = 30_000;
const RENEW_MS = 10_000;

/** An attempt that is under way. */
export interface Leased {
  readonly room: string;
  readonly run: string;
  readonly attempt: number;
  /** It is not this relay's any more. */
  lost(): void;
}

/** Keeps the leases of all attempts that are under way, in one call for all of them; its timer runs only while there are any. */
export interface Leases {
  add(leased: Leased): void;
  delete(leased: Leased): void;
  close(): void;
}

export function createLeases(options: {
  readonly storage: RunStorage;
  readonly clock: Clock;
  readonly owner: string;
  readonly failed: (error: unknown) => void;
}): Leases {
  const { storage, clock, owner } = options;
  const all = new Set<Leased>();
  let cancel: (() => void) | undefined;

  function arm(): void {
    cancel ??= clock.after(RENEW_MS, () => {
      cancel = undefined;
      void renew();
    });
  }

  async function renew(): Promise<void> {
    // One that is added meanwhile has a lease of its own.
    const before = [...all];
    if (before.length === 0) return;
    try {
      const renewed = await storage.renewRuns(owner, clock.now() + LEASE_MS);
      const held = new Set(renewed.map(nameOf));
      for (const leased of before) if (all.has(leased) && !held.has(nameOf(leased))) leased.lost();
    } catch (error) {
      // The lease outlasts two failures.
      options.failed(error);
    }
    if (all.size > 0) arm();
  }

  return {
    add(leased) {
      all.add(leased);
      arm();
    },
    delete: (leased) => void all.delete(leased),
    close() {
      cancel?.();
      all.clear();
    },
  };
}

function nameOf({ room, run, attempt }: { readonly room: string; readonly run: string; readonly attempt: number }): string {
  return JSON.stringify([room, run, attempt]);
}
