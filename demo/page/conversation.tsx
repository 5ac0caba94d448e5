import type { RowOf } from 'cotable';
import { useQuery, useStatus, useStore } from 'cotable/react';
import { useLayoutEffect, useMemo, type KeyboardEvent } from 'react';
import type { ChatSchema } from '../shared/schema.ts';
import { ChatIcon, DownIcon } from './icons.tsx';
import { MessageView, type MessageActions } from './message-view.tsx';
import type { StickToBottom } from './use-stick-to-bottom.ts';

export type Message = RowOf<ChatSchema, 'messages'>;

/** Messages of one person that follow each other within this time stand under one name. */
const RUN_MS = 5 * 60_000;

/** The messages of the room, oldest first. */
export function Conversation({ user, stick, ...actions }: { readonly user: string; readonly stick: StickToBottom } & MessageActions) {
  const rows = useQuery(useStore<ChatSchema>().table('messages'));
  const messages = useMemo(() => rows.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1)), [rows]);
  const lastOwn = messages.findLast((message) => message.by === user)?.id;
  const { attach, follow } = stick;
  useLayoutEffect(() => follow(messages.length), [follow, messages]);

  // The button hides itself: the keyboard goes on from what it led to.
  function toNewest(): void {
    stick.jump();
    stick.focus();
  }

  return (
    <>
      <div className="log" role="log" aria-label="Conversation" tabIndex={0} ref={attach} onScroll={stick.scrolled} onKeyDown={walk}>
        {messages.length === 0 && <Nothing />}
        {messages.map((message, index) => (
          <MessageView
            key={message.id}
            message={message}
            isOwn={message.by === user}
            isFollowUp={isFollowUp(message, messages[index - 1])}
            isTabStop={message.id === lastOwn}
            {...actions}
          />
        ))}
      </div>
      <button type="button" className="newest" hidden={stick.isAtBottom} onClick={toNewest}>
        <DownIcon />
        {stick.unseen > 0 ? `${stick.unseen} new` : 'Newest'}
      </button>
    </>
  );
}

function Nothing() {
  const { state } = useStatus();
  if (state === 'loading') return null;
  return (
    <div className="nothing">
      <ChatIcon />
      <p>Nothing here yet</p>
      <p>
        What you write appears on the other side. <code>@bot help</code> asks the bot.
      </p>
    </div>
  );
}

function isFollowUp(message: Message, before: Message | undefined): boolean {
  return before?.by === message.by && before.label === message.label && message.at - before.at < RUN_MS;
}

/** Up and down go from message to message, so that the whole log is one stop of the Tab key and not two per message. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const action = (event.target as HTMLElement).dataset['action'];
  if (!step || !action) return;
  const stops = [...event.currentTarget.querySelectorAll<HTMLElement>(`[data-action=${action}]`)];
  stops[stops.indexOf(event.target as HTMLElement) + step]?.focus();
  event.preventDefault();
}
