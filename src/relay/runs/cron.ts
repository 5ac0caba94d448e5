import { Cron } from 'croner';
import type { Clock } from '../../ports/clock.ts';

/** Timers of a machine overflow after some weeks: longer times are waited for in parts. */
export const MAX_WAIT_MS = 24 * 60 * 60_000;

/** Whether a schedule and a time zone can be used. */
export function checkSchedule(schedule: string, timeZone: string | undefined): boolean {
  try {
    nextTime(schedule, timeZone, 0);
    return true;
  } catch {
    // Whatever it says, it says that this is no schedule.
    return false;
  }
}

/** When an action is begun by the clock. */
export interface Schedule {
  readonly schedule: string;
  readonly timeZone: string | undefined;
  readonly room: string;
  /** JSON text. */
  readonly input: string;
}

/** One run that the clock asks for. */
export interface CronFire extends Schedule {
  readonly name: string;
  /** The same for whoever finds that it is time, and so but one run. */
  readonly id: string;
}

/**
 * Asks for the runs of all schedules at their times, from now on: what should have been while no relay ran is not made up
 * for. Armed by `clock` alone. Returns what ends it.
 */
export function startCron(
  policies: { readonly [name: string]: { readonly cron: readonly Schedule[] } },
  clock: Clock,
  fire: (fired: CronFire) => void,
): () => void {
  const cancels = new Set<() => void>();

  function arm(work: () => void, ms: number): void {
    const cancel = clock.after(Math.min(ms, MAX_WAIT_MS), () => {
      cancels.delete(cancel);
      work();
    });
    cancels.add(cancel);
  }

  for (const [name, { cron }] of Object.entries(policies)) {
    cron.forEach((schedule, index) => {
      const plan = (after: number): void => {
        const at = nextTime(schedule.schedule, schedule.timeZone, after);
        // It never comes again.
        if (at === undefined) return;
        const wait = (): void => {
          const left = at - clock.now();
          if (left > 0) return arm(wait, left);
          const id = `cron:${schedule.room}:${name}:${new Date(at).toISOString()}${index > 0 ? `:${index}` : ''}`;
          fire({ ...schedule, name, id });
          plan(Math.max(at, clock.now()));
        };
        wait();
      };
      plan(clock.now());
    });
  }
  return () => cancels.forEach((cancel) => cancel());
}

function nextTime(schedule: string, timeZone: string | undefined, after: number): number | undefined {
  return new Cron(schedule, { paused: true, ...(timeZone !== undefined && { timezone: timeZone }) }).nextRun(new Date(after))?.getTime();
}
