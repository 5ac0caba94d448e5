import { expect, it } from 'vitest';
import { engine } from '../runs/engine.ts';
import { wire } from '../runs/wire.ts';
import { gate } from './scene.ts';

it('[SR24] the room’s awareness lists the open streams: a newcomer is told of those that say something to it', async () => {
  const [said, end] = [gate(), gate()];
  let speaking = 0;
  const all = engine({
    work: {
      async run(ctx, { id }) {
        if (id === 'for all') ctx.broadcastStream('hello');
        if (id === 'for ann') ctx.stream('hello');
        speaking += 1;
        if (speaking === 3) said.open();
        await end.passed;
        return { said: '' };
      },
    },
  });
  const ann = all.store('ann');
  await ann.synced;
  const runs = ['for all', 'for ann', 'mute'].map((id) => ann.action.work({ id }));
  await said.passed;
  const [forAll = '', forAnn = ''] = runs.map(({ id }) => id);
  // What is said leaves with the turn.
  await expect.poll(() => runs.map(({ stream }) => stream.state)).toEqual(['hello', 'hello', '']);
  const [another, ben] = [wire(all.hub, 'ann'), wire(all.hub, 'ben')];
  await expect.poll(() => [another.streams(), ben.streams()]).toEqual([[[forAll, forAnn]], [[forAll]]]);
  end.open();
  await Promise.all(runs);
  const late = wire(all.hub, 'ann');
  await expect.poll(() => late.streams()).toEqual([[]]);
});
