/** Links, or connections, that have not said who they are. */
export interface Strangers {
  /**
   * One more, of an address. `drop` is called when there are too many and this is the oldest. The function returned takes
   * it out: it has said who it is, or is gone.
   */
  arrive(address: string, drop: (limit: number) => void): () => void;
}

interface Stranger {
  readonly address: string;
  readonly drop: (limit: number) => void;
}

/**
 * Whoever means it says hello at once, so the oldest go first: a flood of links that say nothing pushes itself out, and a
 * good client gets in between, even from the same address.
 */
export function createStrangers(limits: { readonly strangers: number; readonly strangersPerAddress: number }): Strangers {
  const all = new Set<Stranger>();
  const byAddress = new Map<string, Set<Stranger>>();

  function leave(stranger: Stranger): boolean {
    const neighbours = byAddress.get(stranger.address);
    if (neighbours?.delete(stranger) && neighbours.size === 0) byAddress.delete(stranger.address);
    return all.delete(stranger);
  }

  function keepWithin(strangers: ReadonlySet<Stranger>, limit: number): void {
    if (strangers.size <= limit) return;
    const [oldest] = strangers;
    if (oldest && leave(oldest)) oldest.drop(limit);
  }

  return {
    arrive(address, drop) {
      const stranger = { address, drop };
      const neighbours = byAddress.get(address) ?? new Set();
      byAddress.set(address, neighbours.add(stranger));
      all.add(stranger);
      keepWithin(neighbours, limits.strangersPerAddress);
      keepWithin(all, limits.strangers);
      return () => void leave(stranger);
    },
  };
}
