import { useCallback, useRef, useState } from 'react';

export interface StickToBottom {
  /** To be given to the element that scrolls, as its `ref`. */
  attach(element: HTMLElement | null): (() => void) | undefined;
  readonly isAtBottom: boolean;
  /** How many came while the reader was elsewhere. */
  readonly unseen: number;
  scrolled(): void;
  /** The content has `count` parts now: goes to the end if the reader was there. */
  follow(count: number): void;
  /** Goes to the end, and stays there. */
  jump(): void;
  /** Moves the keyboard here, and scrolls nothing. */
  focus(): void;
}

/** Nearer to the end than this is at the end. */
const SLACK = 40;

/** Keeps the newest in sight, unless the reader has scrolled up. */
export function useStickToBottom(): StickToBottom {
  const scroller = useRef<HTMLElement>(null);
  const sticks = useRef(true);
  const total = useRef(0);
  const seen = useRef(0);
  const [isAtBottom, setAtBottom] = useState(true);
  const [unseen, setUnseen] = useState(0);

  const toBottom = useCallback(() => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, []);

  const attach = useCallback(
    (element: HTMLElement | null) => {
      if (!element) return undefined;
      scroller.current = element;
      // A keyboard on the screen, a longer draft: what was in sight at the end stays there.
      const observer = new ResizeObserver(() => sticks.current && toBottom());
      observer.observe(element);
      return () => observer.disconnect();
    },
    [toBottom],
  );

  const follow = useCallback(
    (count: number) => {
      total.current = count;
      if (sticks.current) {
        seen.current = count;
        toBottom();
      }
      setUnseen(Math.max(0, count - seen.current));
    },
    [toBottom],
  );

  const scrolled = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    sticks.current = element.scrollHeight - element.scrollTop - element.clientHeight < SLACK;
    setAtBottom(sticks.current);
    if (!sticks.current) return;
    seen.current = total.current;
    setUnseen(0);
  }, []);

  const jump = useCallback(() => {
    sticks.current = true;
    toBottom();
  }, [toBottom]);

  const focus = useCallback(() => scroller.current?.focus({ preventScroll: true }), []);

  return { attach, isAtBottom, unseen, scrolled, follow, jump, focus };
}
