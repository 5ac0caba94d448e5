import { describe, expect, it } from 'vitest';
import { engine, stopTime } from './engine.ts';
import { wire, type HeardRun } from './wire.ts';

const short = ({ run, status, attempt, input }: HeardRun): string => `${run} ${status} ${attempt} ${input}`.trim();

describe('what links hear of runs', () => {
  it('[RN38] all links of a user in the room hear of each change, nobody else does, and input comes once', async () => {
    const { pass } = stopTime();
    const all = engine({
      work: {
        retry: { firstDelayMs: 0 },
        run: (ctx) => (ctx.attempt === 1 ? Promise.reject(new Error('x')) : Promise.resolve({ said: 'yes' })),
      },
    });
    const [one, two, elsewhere, ben] = [wire(all.hub, 'ann'), wire(all.hub, 'ann'), wire(all.hub, 'ann', 'another'), wire(all.hub, 'ben')];
    await pass(10);
    one.call({ run: '7-1:0', name: 'work', input: '{"id":"a"}' });
    await pass(100);
    const heard = ['7-1:0 queued 0 {"id":"a"}', '7-1:0 running 1', '7-1:0 waiting 1', '7-1:0 running 2', '7-1:0 succeeded 2'];
    expect(one.runs().map(short)).toEqual(heard);
    expect(two.runs().map(short)).toEqual(heard);
    expect(one.runs().at(-1)).toMatchObject({ name: 'work', ending: { status: 'succeeded', output: '{"said":"yes"}' }, seq: 1 });
    expect([...elsewhere.runs(), ...ben.runs()]).toEqual([]);
    // A run that a mutation asks for is told of too.
    const store = all.store('ann');
    await store.mutate.ask({ id: 'b' });
    await pass(100);
    expect(
      two
        .runs()
        .slice(heard.length)
        .map(({ status }) => status),
    ).toEqual(['queued', 'running', 'waiting', 'running', 'succeeded']);
  });

  it('[RN38] a link that comes hears of the open runs of its user, and whoever asks hears how one stands', async () => {
    const { pass } = stopTime();
    const all = engine({
      limits: { runsPerUser: 1 },
      work: { run: (_, { id }) => (id === 'quick' ? Promise.resolve({ said: '' }) : new Promise(() => undefined)) },
    });
    const first = wire(all.hub, 'ann');
    await pass(10);
    for (const [n, id] of ['quick', 'slow', 'queued'].entries())
      first.call({ run: `7-${n}:0`, name: 'work', input: JSON.stringify({ id }) });
    await pass(100);
    const late = wire(all.hub, 'ann');
    const ben = wire(all.hub, 'ben');
    await pass(10);
    expect(late.runs().map(short)).toEqual(['7-1:0 running 1 {"id":"slow"}', '7-2:0 queued 0 {"id":"queued"}']);
    late.ask('7-0:0');
    late.ask('none');
    ben.ask('7-1:0');
    await pass(10);
    expect(late.runs()[2]).toMatchObject({ run: '7-0:0', status: 'succeeded', attempt: 1, seq: 1 });
    const missing = { status: 'failed', attempt: 0, seq: 0, ending: { error: { code: 'run.notFound' } } };
    expect(late.runs()[3]).toMatchObject({ run: 'none', ...missing });
    expect(ben.runs()).toMatchObject([{ run: '7-1:0', ...missing }]);
    expect([first.failed(), late.failed(), ben.failed()]).toEqual([undefined, undefined, undefined]);
  });

  it('[RN22 RN38] a link cancels runs of its user, and hears of it like all others', async () => {
    const { pass } = stopTime();
    const all = engine({ work: { run: (_, { id }) => (id === 'quick' ? Promise.resolve({ said: '' }) : new Promise(() => undefined)) } });
    const [ann, phone, ben] = [wire(all.hub, 'ann'), wire(all.hub, 'ann'), wire(all.hub, 'ben')];
    await pass(10);
    ann.call({ run: '7-1:0', name: 'work', input: '{"id":"slow"}' });
    ann.call({ run: '7-2:0', name: 'work', input: '{"id":"quick"}' });
    await pass(100);
    ben.cancel('7-1:0');
    await pass(50);
    expect((await all.runs())['slow']?.status).toBe('running');
    expect(ben.runs()).toMatchObject([{ ending: { error: { code: 'run.notFound' } } }]);
    phone.cancel('7-1:0');
    phone.cancel('7-2:0');
    phone.cancel('none');
    await pass(100);
    for (const link of [ann, phone]) {
      expect(link.runs().filter(({ run, status }) => run === '7-1:0' && status === 'canceled')).toMatchObject([
        { ending: { error: { code: 'run.canceled' } } },
      ]);
    }
    expect(
      phone
        .runs()
        .filter(({ run }) => run === '7-2:0')
        .map(({ status }) => status)
        .at(-1),
    ).toBe('succeeded');
    expect(phone.runs().at(-1)).toBeDefined();
    expect(await all.ends()).toEqual({ quick: 'succeeded  1', slow: 'canceled run.canceled 1' });
  });
});
