import { whenAwake, type Party, type Schedule } from './schedule.ts';

/** A disk: does one thing after the other, and takes its time for each. */
export interface DiskQueue {
  readonly isIdle: boolean;
  /** Does `run` in its turn, for `owner`. Its effect is there from then on, crash or not; the promise follows it. */
  add<T>(owner: Party, run: () => Promise<T>): Promise<T>;
  /**
   * The owner is gone. Of what it still waits for the first `keep(count)` things happen; the rest never does: each is one
   * transaction, and they come to be in order. Nobody hears of any of it: no promise of it settles.
   */
  drop(owner: Party, keep: (count: number) => number): Dropped;
}

/** What became of reads and writes that were under way when their owner vanished. */
export interface Dropped {
  /** They never happened. */
  readonly lost: number;
  /** They happened, and nobody was told. */
  readonly landed: number;
}

interface Task {
  readonly owner: Party;
  /** Settles the promise; without `answer` it only has its effect. */
  readonly run: (answer: boolean) => Promise<void>;
}

export function createDiskQueue(schedule: Schedule, taskTime: () => number): DiskQueue {
  let tasks: Task[] = [];
  let isBusy = false;

  function start(): void {
    if (isBusy || tasks.length === 0) return;
    isBusy = true;
    schedule.after(taskTime(), () => {
      isBusy = false;
      void tasks.shift()?.run(true);
      start();
    });
  }

  return {
    get isIdle() {
      return tasks.length === 0;
    },
    add: (owner, run) =>
      new Promise((resolve, reject) => {
        // The party is gone already: only what it left behind in promises still runs.
        if (!owner.isAlive) return;
        // A frozen tab hears of nothing.
        const task = (answer: boolean): Promise<void> =>
          run().then(
            (value) => whenAwake(owner, (isAlive) => answer && isAlive && resolve(value)),
            (error: unknown) => whenAwake(owner, (isAlive) => answer && isAlive && reject(error)),
          );
        tasks.push({ owner, run: task });
        start();
      }),
    drop(owner, keep) {
      const mine = tasks.filter((task) => task.owner === owner);
      tasks = tasks.filter((task) => task.owner !== owner);
      const landed = keep(mine.length);
      void mine.slice(0, landed).reduce((before, task) => before.then(() => task.run(false)), Promise.resolve());
      return { lost: mine.length - landed, landed };
    },
  };
}
