import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createClient, type FlowEvent, type FlowItem } from 'cotable/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../examples.ts';
import { allEvents, eventsOf, reach, reading, said, send, tempFile, typesOf } from './scene.ts';

const script = fileURLToPath(new URL('flow-relay.mjs', import.meta.url));

/** A relay in a process of its own, which listens when this resolves. */
async function start(file: string, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, file, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

const TOLD = ['user: count to 20', `assistant: ${Array.from({ length: 20 }, (_, n) => `${n + 1} `).join('')}`];

describe('a relay of flows that is killed', () => {
  it('[FL43 B14] tells and keeps what the attempt after it says, and nothing that it does not say again', async () => {
    const file = await tempFile();
    const port = await freePort();
    const served = reach(`http://127.0.0.1:${port}`);
    const first = await start(file, port);
    const { requestId, session } = await send(served, '/api/flows/count/actions/less', {});
    const live: FlowEvent[] = [];
    for await (const event of eventsOf(await served.get(`/api/flows/count/requests/${requestId}/stream`))) {
      live.push(event);
      if (event.type === 'content.delta') break;
    }
    expect(said(reading(live).values())).toEqual(['tool: of attempt 1', 'tool: not said again', 'assistant: left open (in_progress)']);
    await kill(first);
    await start(file, port);
    const told = ['tool: of attempt 2'];
    const read = async (last = ''): Promise<FlowEvent[]> =>
      allEvents(await served.get(`/api/flows/count/requests/${requestId}/stream`, { 'last-event-id': last }));
    expect(said(reading([...live, ...(await read(live.at(-1)?.id))]).values())).toEqual(told);
    expect(said(reading(await read()).values())).toEqual(told);
    const { items } = (await (await served.get(`/api/flows/count/${session.id}`)).json()) as { items: FlowItem[] };
    expect(said(items)).toEqual(told);
  });

  it('[FL24 B14] has kept what it answered with 202: after the next start it is worked on, and told', async () => {
    const file = await tempFile();
    const port = await freePort();
    const served = reach(`http://127.0.0.1:${port}`);
    const first = await start(file, port);
    const { requestId } = await send(served, '/api/flows/count/actions/count', { to: 20, everyMs: 5 });
    await kill(first);
    await start(file, port);
    const events = await allEvents(await served.get(`/api/flows/count/requests/${requestId}/stream`));
    expect(said(reading(events).values())).toEqual(TOLD);
    expect(events.at(-1)).toMatchObject({ type: 'request.completed', result: { counted: 20 } });
  });

  it('[FL24 FL25 BX4] is come back to by its clients, again and again, who read all of it once; steps are done once', async () => {
    const file = await tempFile();
    const port = await freePort();
    let relay = await start(file, port);
    const client = createClient({ flowKind: 'count', userId: 'ann', baseUrl: `http://127.0.0.1:${port}` });
    const run = await client.sendAction<{ counted: number }>('count', { to: 20, everyMs: 40 });
    const events: FlowEvent[] = [];
    const reader = (async () => {
      for await (const event of run) events.push(event);
    })();
    for (let kills = 0; kills < 3; kills++) {
      const before = events.length;
      await expect.poll(() => events.slice(before).filter(({ type }) => type === 'content.delta').length).toBeGreaterThan(3);
      await kill(relay);
      relay = await start(file, port);
    }
    expect(await run.result).toEqual({ counted: 20 });
    await reader;
    expect(said(reading(events).values())).toEqual(TOLD);
    expect(typesOf(events).filter((type) => type === 'request.in_progress').length).toBeGreaterThan(1);
    expect(typesOf(events).filter((type) => type === 'request.completed')).toHaveLength(1);
    expect((await readFile(`${file}.effects`, 'utf8')).split('\n')).toHaveLength(2);
    const session = client.session(run.sessionId);
    onTestFinished(session.subscribe(() => undefined));
    await expect.poll(() => said(session.state.items)).toEqual(TOLD);
  });
});
