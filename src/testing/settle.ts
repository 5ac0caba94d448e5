import type { World } from './world.ts';

/** Longer than any delay between two tries, and several of them. */
const LONGEST_MS = 15 * 60_000;

/**
 * Goes on until everybody is level with nothing pending and nothing on its way, and `unrest` names nothing more. Rejects when
 * that takes too long, from `due` on: the time by the relay's clock until which something has to wait.
 */
export async function settle(
  world: World,
  step: () => Promise<void>,
  unrest: () => string | undefined = () => undefined,
  due = (): number => 0,
): Promise<void> {
  const { schedule } = world;
  let end = schedule.now + LONGEST_MS;
  while (!world.isQuiet || unrest() !== undefined) {
    end = Math.max(end, due() - world.relaySkew + LONGEST_MS);
    if (schedule.due > end)
      throw new Error(`stuck: after ${LONGEST_MS / 1000} s of simulated time ${[world.unrest(), unrest()].join('; ')}`);
    await step();
  }
}
