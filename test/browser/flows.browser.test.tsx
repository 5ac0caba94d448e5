import { createTypedClient } from 'cotable/client';
import { FlowProvider, useSession, type SessionNow } from 'cotable/react';
import { StrictMode, useEffect, useState, type ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import type { flow } from './stream-relay.setup.ts';

type Flow = typeof flow;
const baseUrl = (): string => inject('streamUrl').replace('ws:', 'http:');

/** Shows a session, which `show` may change. */
function page(sessionId?: string) {
  const client = createTypedClient<Flow>({ flow: 'echo', userId: 'ann', baseUrl: baseUrl() });
  const seen: SessionNow<Flow>[] = [];
  const hands: { show(id: string | undefined): void } = { show: () => undefined };
  function Lines(): ReactElement {
    const [id, setId] = useState(sessionId);
    useEffect(() => void (hands.show = setId), []);
    const now = useSession<Flow>(id);
    seen.push(now);
    return (
      <p>
        {now.status}|{now.items.map(({ text }) => text).join('|')}
      </p>
    );
  }
  const host = document.body.appendChild(document.createElement('div'));
  const root = createRoot(host);
  onTestFinished(() => {
    root.unmount();
    host.remove();
  });
  root.render(
    <StrictMode>
      <FlowProvider client={client}>
        <Lines />
      </FlowProvider>
    </StrictMode>,
  );
  return { client, seen, text: () => host.textContent, show: (id: string | undefined) => hands.show(id), now: () => seen.at(-1)! };
}

it('[FL35 B10] a session begins with the first request, shows it as it grows, and stays the same when the app hands in its id', async () => {
  const { text, now, show, seen } = page();
  await expect.poll(text).toBe('idle|');
  const { sendAction } = now();
  const run = await sendAction('say', { text: 'hi' });
  expect(now().sessionId).toBe(run.sessionId);
  await expect.poll(text).toBe('in_progress|hi|you said ');
  show(run.sessionId);
  await expect.poll(() => seen.at(-1)?.sendAction === sendAction).toBe(true);
  await sendAction('say', { text: 'go on' });
  await expect.poll(text).toBe('idle|hi|you said hi|go on|you said go on');
  expect(seen.some(({ status }) => status === 'loading')).toBe(false);
  await expect(sendAction('say', { text: 3 as never })).rejects.toMatchObject({ code: 'flow.invalidInput' });

  // Without an id it is another one.
  show(undefined);
  await expect.poll(text).toBe('idle|');
});

it('[FL35 B10] a session that is there is shown, with what is under way, and one that is not is an error', async () => {
  const other = createTypedClient<Flow>({ flow: 'echo', userId: 'ann', baseUrl: baseUrl() });
  const run = await other.actions.say({ text: 'hi' });
  const { text, now, show } = page(run.sessionId);
  await expect.poll(text).toBe('in_progress|hi|you said ');
  await now().sendAction('say', { text: 'go on' });
  await expect.poll(text).toBe('idle|hi|you said hi|go on|you said go on');
  show('echo~nothing');
  await expect.poll(text).toBe('error|');
  expect(now().error?.code).toBe('flow.sessionNotFound');
});
