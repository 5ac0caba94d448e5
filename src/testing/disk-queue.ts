import { whenAwake, type Party, type Schedule } from './schedule.ts';

/** A disk: does one thing after the other, and takes its time for each. */
export interface DiskQueue {
  readonly isIdle: boolean;
  /** Does `run` in its turn, for `owner`. Its effect is there from then on, crash or not; the promise follows it. */
  add<T>(owner: Party, run: () => Promise<T>): Promise<T>;
  /**
   * The owner is gone. Of what it still waits for the first `keep(count)` things happen; the rest never does. Nobody hears
   * of any of it: no promise of it settles. Returns how many were lost.
   */
  drop(owner: Party, keep: (count: number) => number): number;
}

interface Task {
  readonly owner: Party;
  /** Settles the promise; without `answer` it only has its effect. */
  readonly run: (answer: boolean) => void;
}

export function createDiskQueue(schedule: Schedule, taskTime: () => number): DiskQueue {
  let tasks: Task[] = [];
  let isBusy = false;

  function start(): void {
    if (isBusy || tasks.length === 0) return;
    isBusy = true;
    schedule.after(taskTime(), () => {
      isBusy = false;
      tasks.shift()?.run(true);
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
        const task = (answer: boolean): void => {
          const done = run();
          // A frozen tab hears of nothing.
          if (answer)
            done.then(
              (value) => whenAwake(owner, (isAlive) => isAlive && resolve(value)),
              (error: unknown) => whenAwake(owner, (isAlive) => isAlive && reject(error)),
            );
          else done.then(undefined, () => undefined);
        };
        tasks.push({ owner, run: task });
        start();
      }),
    drop(owner, keep) {
      const mine = tasks.filter((task) => task.owner === owner);
      tasks = tasks.filter((task) => task.owner !== owner);
      const kept = keep(mine.length);
      for (const task of mine.slice(0, kept)) task.run(false);
      return mine.length - kept;
    },
  };
}
