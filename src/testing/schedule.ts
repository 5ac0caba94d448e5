import type { Clock } from '../ports/clock.ts';

/** What runs on its own and may vanish in the middle of anything: a tab, or a relay's process. */
export interface Party {
  readonly name: string;
  isAlive: boolean;
  /** How far its wall clock is ahead, in milliseconds. */
  skew: number;
  /** What has become due since the browser has frozen the tab; `undefined` while it runs. */
  frozen: (() => void)[] | undefined;
}

/** All that will happen, in one queue with a time of its own: nothing happens outside of `next`, and no time passes. */
export interface Schedule {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the next thing is due; `Infinity` when nothing is. */
  readonly due: number;
  /** Of what is due at one moment, what was set first runs first. The function returned cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Runs what is due next, and whatever follows from that without time passing. */
  next(): Promise<void>;
  /** Lets whatever follows from what was done outside happen, as far as no time passes. */
  drain(): Promise<void>;
  /** Passes time in which nothing is due. */
  skipTo(time: number): void;
}

interface Item {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export function createSchedule(start: number): Schedule {
  /** A binary heap. */
  const heap: Item[] = [];
  let now = start;
  let count = 0;

  function drain(): Promise<void> {
    // A macrotask of the real event loop: all microtasks have run by then, however many there were.
    return new Promise((done) => setImmediate(done));
  }

  function dropCancelled(): void {
    while (heap[0] && !heap[0].run) pop(heap);
  }

  return {
    get now() {
      return now;
    },
    get due() {
      dropCancelled();
      return heap[0]?.at ?? Infinity;
    },
    after(ms, run) {
      const item: Item = { at: now + Math.max(0, ms), order: count++, run };
      push(heap, item);
      return () => (item.run = undefined);
    },
    async next() {
      dropCancelled();
      const item = pop(heap);
      if (!item) return;
      now = item.at;
      item.run?.();
      await drain();
    },
    drain,
    skipTo(time) {
      now = Math.max(now, time);
    },
  };
}

/** Runs something in a party, once it is not frozen. `run` is told whether the party is still there. */
export function whenAwake(party: Party, run: (isAlive: boolean) => void): void {
  if (party.frozen && party.isAlive) party.frozen.push(() => run(party.isAlive));
  else run(party.isAlive);
}

/** Nothing runs in a party for so long; what was due then runs after that, in order. One that is frozen stays as it is. */
export function freeze(schedule: Schedule, party: Party, ms: number): void {
  if (party.frozen) return;
  party.frozen = [];
  schedule.after(ms, () => {
    const due = party.frozen ?? [];
    party.frozen = undefined;
    for (const run of due) schedule.after(0, run);
  });
}

/**
 * The clock of a party. Its timers come `lateness()` milliseconds late, so that they may overtake each other; none runs
 * once the party has vanished. `fired` hears of each before it runs.
 */
export function createPartyClock(schedule: Schedule, party: Party, lateness: () => number, fired: () => void): Clock {
  return {
    now: () => Math.floor(schedule.now + party.skew),
    after(ms, run) {
      let isCancelled = false;
      const cancel = schedule.after(ms + lateness(), () =>
        whenAwake(party, (isAlive) => {
          if (!isAlive || isCancelled) return;
          fired();
          run();
        }),
      );
      return () => {
        isCancelled = true;
        cancel();
      };
    },
    soon: (run) => void schedule.after(0, () => whenAwake(party, (isAlive) => isAlive && run())),
  };
}

function isBefore(a: Item, b: Item): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Item[], item: Item): void {
  let at = heap.length;
  heap.push(item);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as Item;
    if (!isBefore(item, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = item;
}

function pop(heap: Item[]): Item | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (!first || !last || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    const left = heap[below];
    const right = heap[below + 1];
    if (!left) break;
    let child = left;
    if (right && isBefore(right, left)) [child, below] = [right, below + 1];
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
  return first;
}
