import { expect, it } from 'vitest';
import type { StreamPart } from '../../src/ports/stream-storage.ts';
import { acceptance, BIRTH, bytesOf, codeOf, run } from './relay-storage.fixtures.ts';
import { type Here } from './relay-storage.place.ts';

function part(
  of: string,
  number: number,
  parts: { readonly room?: string; readonly attempt?: number; readonly text?: string } = {},
): StreamPart {
  const { room = 'room', attempt = 1, text = `${of} ${attempt}/${number}` } = parts;
  return { room, run: of, attempt, number, bytes: bytesOf(text) };
}

/** A room with runs that were begun once. */
async function atWork(here: Here, room: string, runs: readonly string[]): Promise<void> {
  await here.storage.openRoom(room, BIRTH);
  for (const [index, id] of runs.entries()) {
    await here.storage.queueRun(room, run(id, index));
    await here.storage.claimRun(room, id, { owner: 'one', now: 100, until: 130 });
  }
}

/** The short log of streams, RS42 to RS45. */
export function streamRules(here: Here): void {
  it('[RS42] keepStreams keeps parts of many streams and rooms together, in order by run, and over a restart', async () => {
    await atWork(here, 'room', ['a', 'b\u0000\ud800']);
    await atWork(here, 'other', ['a']);
    const given = [part('a', 1), part('b\u0000\ud800', 1), part('a', 1, { room: 'other', text: 'elsewhere' })];
    const kept = here.storage.keepStreams(given);
    for (const { bytes } of given) bytes.fill(0);
    await kept;
    await here.storage.keepStreams([part('a', 2), part('a', 3, { text: '' })]);
    await here.storage.keepStreams([]);
    await here.restart();
    const parts = await here.storage.keptStreams('room');
    expect(parts.filter((one) => one.run === 'a')).toEqual([part('a', 1), part('a', 2), part('a', 3, { text: '' })]);
    expect(parts.filter((one) => one.run !== 'a')).toEqual([part('b\u0000\ud800', 1)]);
    expect(await here.storage.keptStreams('other')).toEqual([part('a', 1, { room: 'other', text: 'elsewhere' })]);
    expect(await here.storage.keptStreams('never')).toEqual([]);
    parts[0]?.bytes.fill(0);
    expect((await here.storage.keptStreams('room')).some((one) => one.bytes.every((byte) => byte === 0) && one.bytes.length > 0)).toBe(
      false,
    );
  });

  it('[RS43] a part takes the place of the one with its number, and the first one that of all', async () => {
    await atWork(here, 'room', ['a']);
    await here.storage.keepStreams([part('a', 1), part('a', 2)]);
    await here.storage.keepStreams([part('a', 2, { text: 'again' })]);
    expect(await here.storage.keptStreams('room')).toEqual([part('a', 1), part('a', 2, { text: 'again' })]);
    await here.storage.claimRun('room', 'a', { owner: 'one', now: 100, until: 130 });
    await here.storage.keepStreams([part('a', 1, { attempt: 2 })]);
    expect(await here.storage.keptStreams('room')).toEqual([part('a', 1, { attempt: 2 })]);
  });

  it('[RS44] what is not of the last attempt of a run that has not ended is left out, and the rest is kept', async () => {
    await atWork(here, 'room', ['a', 'b']);
    await here.storage.claimRun('room', 'b', { owner: 'one', now: 100, until: 130 });
    await here.storage.keepStreams([
      part('a', 1),
      part('b', 1, { attempt: 1 }),
      part('b', 1, { attempt: 3 }),
      part('none', 1),
      part('a', 1, { room: 'never' }),
    ]);
    expect(await here.storage.keptStreams('room')).toEqual([part('a', 1)]);
    // What was said last comes after the run was given back, until the next attempt begins.
    await here.storage.releaseRun('room', { run: 'a', attempt: 1 }, { notBefore: 0 });
    await here.storage.keepStreams([part('a', 2)]);
    expect(await here.storage.keptStreams('room')).toEqual([part('a', 1), part('a', 2)]);
  });

  it('[RS45] what is kept of a stream goes in the transaction that ends its run, and nothing comes after it', async () => {
    await atWork(here, 'room', ['a', 'b']);
    await here.storage.keepStreams([part('a', 1), part('b', 1)]);
    const ending = { status: 'succeeded', output: '{}' } as const;
    const ended = { ...acceptance(1), attempt: { run: 'a', attempt: 1, ending } };
    // One that conflicts takes nothing away.
    expect(await codeOf(here.storage.accept('room', { epoch: 1, after: 4 }, [ended]))).toBe('storage.conflict');
    await here.storage.accept('room', { epoch: 1, after: 0 }, [{ ...acceptance(1), attempt: { run: 'b', attempt: 1, ending: undefined } }]);
    expect(await here.storage.keptStreams('room')).toHaveLength(2);
    const second = { ...acceptance(2), attempt: { run: 'a', attempt: 1, ending } };
    await here.storage.accept('room', { epoch: 1, after: 1 }, [second]);
    await here.storage.keepStreams([part('a', 2)]);
    expect(await here.storage.keptStreams('room')).toEqual([part('b', 1)]);
    const closed = here.storage.close();
    expect(await codeOf(here.storage.keepStreams([part('b', 2)]))).toBe('storage.closed');
    expect(await codeOf(here.storage.keptStreams('room'))).toBe('storage.closed');
    await closed;
    await here.reopen();
  });
}
