// What a page imports that calls a flow: of that, the type alone.
import { createTypedClient } from 'cotable/client';
import { FlowProvider, useSession } from 'cotable/react';
import type { flow } from './flow.ts';

export const client = createTypedClient<typeof flow>({ flow: 'loud', userId: 'user_1' });
export const length = async (text: string) => (await (await client.actions.shout({ text })).result).length;

export function Chat() {
  const session = useSession<typeof flow>();
  return (
    <button onClick={() => void session.sendAction('shout', { text: 'hi' })}>{session.items.map((item) => item.text).join('\n')}</button>
  );
}

export const page = (
  <FlowProvider client={client}>
    <Chat />
  </FlowProvider>
);
