import { useStatus, useStore } from 'cotable/react';
import { useLayoutEffect, useState } from 'react';
import { BOT, type ChatSchema } from '../shared/schema.ts';
import type { Message } from './conversation.tsx';
import { BotIcon, CheckIcon, ClockIcon, DeleteIcon, EditIcon, WarningIcon } from './icons.tsx';

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
  const isGrowing = message.status === 'incomplete';
  const isUnkept = usePending(message.id);
  const { state } = useStatus();
  // Online the bot hears of it in a moment: only what has to wait for that is called pending.
  const isPending = isUnkept && !(isGrowing && state === 'online');
  const tabIndex = isTabStop ? 0 : -1;
  return (
    <article
      className="message"
      aria-busy={isGrowing}
      data-person={message.by}
      data-own={isOwn}
      data-pending={isPending}
      data-follow-up={isFollowUp}
      data-status={message.status}
    >
      {message.by === BOT ? <BotName label={message.label} /> : <p className="author">{message.by}</p>}
      <div className="bubble">
        <p className="text">{message.text}</p>
        {isGrowing && !isPending && message.text === '' && <Typing />}
        {message.status === 'error' && <Problem message={message} />}
        <p className="meta">
          {isPending && (
            <span className="pending-word">
              <ClockIcon />
              {isGrowing ? 'Asked when online' : 'Pending'}
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

function BotName({ label }: { readonly label: string | undefined }) {
  return (
    <p className="author">
      <BotIcon />
      {BOT}
      {label && <span className="label">, {label}</span>}
    </p>
  );
}

/** Stands where the answer will be. */
function Typing() {
  return (
    <p className="typing" role="img" aria-label={`${BOT} is writing`}>
      <i />
      <i />
      <i />
    </p>
  );
}

function Problem({ message }: { readonly message: Message }) {
  return (
    <p className="problem">
      <WarningIcon />
      <span>
        <strong>{message.text ? 'The answer broke off.' : 'No answer.'}</strong> {message.problem}
      </span>
    </p>
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
