import { useStore } from 'cotable/react';
import { useLayoutEffect, useState } from 'react';
import type { ChatSchema } from '../shared/schema.ts';
import type { Message } from './conversation.tsx';
import { CheckIcon, ClockIcon, DeleteIcon, EditIcon } from './icons.tsx';

export interface MessageActions {
  edit(message: Message): void;
  remove(message: Message): void;
}

interface MessageViewProps extends MessageActions {
  readonly message: Message;
  readonly isOwn: boolean;
  /** Whether it stands under the name of the message before. */
  readonly isFollowUp: boolean;
  /** Whether the Tab key stops at what can be done with it. */
  readonly isTabStop: boolean;
}

export function MessageView({ message, isOwn, isFollowUp, isTabStop, edit, remove }: MessageViewProps) {
  const isPending = usePending(message.id);
  const tabIndex = isTabStop ? 0 : -1;
  return (
    <article className="message" data-person={message.by} data-own={isOwn} data-pending={isPending} data-follow-up={isFollowUp}>
      <p className="author">{message.by}</p>
      <div className="bubble">
        <p className="text">{message.text}</p>
        <p className="meta">
          {isPending && (
            <span className="pending-word">
              <ClockIcon />
              Pending
            </span>
          )}
          {message.edited && <span className="edited">edited</span>}
          <time dateTime={new Date(message.at).toISOString()}>{timeText(message.at)}</time>
          {isOwn && !isPending && <CheckIcon />}
        </p>
      </div>
      {isOwn && (
        <div className="actions">
          <button
            type="button"
            className="icon-button"
            data-action="edit"
            aria-label="Edit"
            tabIndex={tabIndex}
            onClick={() => edit(message)}
          >
            <EditIcon />
          </button>
          <button
            type="button"
            className="icon-button"
            data-action="delete"
            aria-label="Delete"
            tabIndex={tabIndex}
            onClick={() => remove(message)}
          >
            <DeleteIcon />
          </button>
        </div>
      )}
    </article>
  );
}

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndTime = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

function timeText(at: number): string {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return (isToday ? timeOfDay : dayAndTime).format(at);
}

/** Whether something of a message is not kept by the relay yet. */
function usePending(id: string): boolean {
  const messages = useStore<ChatSchema>().table('messages');
  const [isPending, setPending] = useState(false);
  // `row$` answers within the subscription, so that the first picture is right already.
  useLayoutEffect(() => {
    const subscription = messages.row$(id).subscribe(({ pending }) => setPending(pending));
    return () => subscription.unsubscribe();
  }, [messages, id]);
  return isPending;
}
