import type { CotableError } from 'cotable';
import type { Acceptor, Link, LinkEvents, LinkOrigin, Transport } from '../../src/ports/transport.ts';

/** Listens to one side of a link and remembers what it was told. */
export interface LinkRecord {
  readonly events: LinkEvents;
  /** The events in order: `opened`, `message`, `closed`. */
  readonly calls: readonly string[];
  readonly messages: readonly Uint8Array[];
  /** What `closed` was called with. */
  readonly reasons: readonly (CotableError | undefined)[];
  /** Resolves once `holds` says so; it is asked now and after each event. */
  until(holds: () => boolean): Promise<void>;
  readonly isOpened: Promise<void>;
  readonly isClosed: Promise<void>;
}

/** A side of a link and what it was told. */
export interface RecordedLink {
  readonly link: Link;
  readonly record: LinkRecord;
}

/** `react` is called after an event was noted, from within it. */
export function recordLink(react: Partial<LinkEvents> = {}): LinkRecord {
  const calls: string[] = [];
  const messages: Uint8Array[] = [];
  const reasons: (CotableError | undefined)[] = [];
  const waiting = new Set<() => void>();
  const note = (call: string): void => {
    calls.push(call);
    for (const check of waiting) check();
  };
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return {
    calls,
    messages,
    reasons,
    until,
    isOpened: until(() => calls.includes('opened')),
    isClosed: until(() => calls.includes('closed')),
    events: {
      opened() {
        note('opened');
        react.opened?.();
      },
      message(message) {
        messages.push(message);
        note('message');
        react.message?.(message);
      },
      closed(reason) {
        reasons.push(reason);
        note('closed');
        react.closed?.(reason);
      },
    },
  };
}

/** The relay's side: takes links and hands them out in the order they came. */
export interface LinkTaker {
  readonly taken: readonly (RecordedLink & { readonly origin: LinkOrigin })[];
  /** The link that came `index`-th, from 0, as soon as it is there. */
  at(index: number): Promise<RecordedLink & { readonly origin: LinkOrigin }>;
}

/** Starts the acceptor. `react` gives each link its own reactions; it runs inside `accept`. */
export function takeLinks(acceptor: Acceptor, react: (link: Link) => Partial<LinkEvents> = () => ({})): LinkTaker {
  const taken: (RecordedLink & { readonly origin: LinkOrigin })[] = [];
  const waiting: (() => void)[] = [];
  acceptor.start((link, origin) => {
    const record = recordLink(react(link));
    taken.push({ link, origin, record });
    for (const check of waiting) check();
    return record.events;
  });
  return {
    taken,
    at: (index) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = taken[index];
          if (found) resolve(found);
        };
        waiting.push(check);
        check();
      }),
  };
}

/** Connects and records; does not wait for the link to open. */
export function connectRecorded(transport: Transport, react: Partial<LinkEvents> = {}): RecordedLink {
  const record = recordLink(react);
  return { link: transport.connect(record.events), record };
}
