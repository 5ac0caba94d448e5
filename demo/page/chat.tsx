import { useStore } from 'cotable/react';
import { useState } from 'react';
import type { ChatSchema } from '../shared/schema.ts';
import { Composer } from './composer.tsx';
import { Conversation, type Message } from './conversation.tsx';
import type { NetworkSwitch } from './network-switch.ts';
import { Notices } from './notices.tsx';
import { PaneHeader } from './pane-header.tsx';
import { useStickToBottom } from './use-stick-to-bottom.ts';

export interface ChatProps {
  readonly user: string;
  readonly network: NetworkSwitch;
  readonly reload: () => Promise<void>;
}

/** One client, from its name to its text field. */
export function Chat({ user, network, reload }: ChatProps) {
  const { mutate } = useStore<ChatSchema>();
  const [editing, setEditing] = useState<Message>();
  const stick = useStickToBottom();

  async function submit(text: string): Promise<void> {
    if (editing) await mutate.edit({ id: editing.id, text });
    else {
      stick.jump();
      await mutate.send({ text });
    }
    setEditing(undefined);
  }

  return (
    <>
      <PaneHeader user={user} network={network} reload={reload} />
      <div className="stage">
        <Conversation
          user={user}
          stick={stick}
          edit={setEditing}
          remove={(message) => {
            if (message.id === editing?.id) setEditing(undefined);
            // Its button goes with it: whoever works by keyboard stays in the log.
            stick.focus();
            void mutate.remove({ id: message.id });
          }}
        />
        <Notices />
      </div>
      <Composer editing={editing} submit={submit} cancel={() => setEditing(undefined)} />
    </>
  );
}
