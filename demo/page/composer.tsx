import { useEffect, useId, useRef, useState, type KeyboardEvent, type SubmitEvent } from 'react';
import type { Message } from './conversation.tsx';
import { explain, type Explanation } from './explain.ts';
import { SendIcon } from './icons.tsx';

interface ComposerProps {
  /** The message that is being changed; otherwise a new one is written. */
  readonly editing: Message | undefined;
  /** Rejects when it was refused: then the text stays for its author to mend. */
  readonly submit: (text: string) => Promise<void>;
  readonly cancel: () => void;
}

/** Where messages are written and changed. Each message that is being changed has a draft of its own, and so has the new one. */
export function Composer({ editing, submit, cancel }: ComposerProps) {
  const [drafts, setDrafts] = useState<Readonly<Record<string, string>>>({});
  const [problem, setProblem] = useState<Explanation>();
  const field = useRef<HTMLTextAreaElement>(null);
  const hintId = useId();
  const draft = editing?.id ?? 'new';
  const text = drafts[draft] ?? editing?.text ?? '';

  function write(next: string): void {
    setDrafts((all) => ({ ...all, [draft]: next }));
    setProblem(undefined);
  }

  function forget(): void {
    setDrafts(({ [draft]: _, ...rest }) => rest);
    setProblem(undefined);
  }

  async function send(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (!text.trim()) return;
    forget();
    try {
      await submit(text);
    } catch (error) {
      write(text);
      setProblem(explain(error));
    }
  }

  function abandon(): void {
    forget();
    cancel();
  }

  function keyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
    // Enter also ends the choice of a character in input methods; that one is not for us.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      event.currentTarget.form?.requestSubmit();
    }
    if (event.key === 'Escape' && editing) abandon();
  }

  useEffect(() => {
    if (!editing || !field.current) return;
    field.current.focus();
    field.current.setSelectionRange(-1, -1);
  }, [editing]);

  return (
    <form className="composer" data-problem={problem !== undefined} onSubmit={(event) => void send(event)}>
      <div className="field">
        <textarea
          ref={field}
          rows={1}
          aria-label="Message"
          aria-describedby={hintId}
          aria-invalid={problem !== undefined}
          placeholder={editing ? '' : 'Write a message'}
          enterKeyHint="send"
          value={text}
          onChange={(event) => write(event.target.value)}
          onKeyDown={keyDown}
        />
        <button type="submit" className="send" disabled={!text.trim()}>
          <SendIcon />
          {editing ? 'Save' : 'Send'}
        </button>
      </div>
      <p className="hint" id={hintId} aria-live="polite">
        {problem ? (
          <>
            <code>{problem.code}</code> {problem.text}
          </>
        ) : editing ? (
          <>
            Changing your message.{' '}
            <button type="button" onClick={abandon}>
              Cancel <kbd>Esc</kbd>
            </button>
          </>
        ) : (
          <>
            <kbd>Enter</kbd> sends
            <span className="with-shift">
              , <kbd>Shift Enter</kbd> begins a line
            </span>
            , <kbd>@bot help</kbd> asks the bot
          </>
        )}
      </p>
    </form>
  );
}
