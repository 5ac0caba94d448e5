import type { TabTransport } from '../ports/tabs.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import type { ForeignMutation } from './replica.ts';
import type { Verdict } from './verdicts.ts';

/** Tabs that say another number do not understand each other; they meet on the disk and at the relay. */
const TAB_PROTOCOL = 1;

/** What one tab of a room says to the others. */
export type TabMessage =
  /** Everybody, or this tab, is to say that it is here. */
  | { readonly type: 'ask'; readonly of: number | undefined }
  /** Here, and this is all that it has pending. */
  | { readonly type: 'here'; readonly pending: readonly ForeignMutation[] }
  /** It is to send these: new ones, those that ran again, and those it has taken over. */
  | { readonly type: 'pending'; readonly mutations: readonly ForeignMutation[] }
  /** What became of some of them. */
  | { readonly type: 'judged'; readonly verdicts: readonly Verdict[] }
  /** The app has dealt with this rejection. */
  | { readonly type: 'dismissed'; readonly id: string }
  /** It has closed; all of it is on disk. */
  | { readonly type: 'left' }
  /**
   * Without a relay: messages of y-protocols/sync, by table. `isGreeting`: from a tab that has just opened and may have
   * what others have not. `isKept`: all of it is on the disk of that device.
   */
  | { readonly type: 'sync'; readonly messages: readonly TableUpdate[]; readonly isGreeting: boolean; readonly isKept: boolean };

/** Who says it. */
export interface TabSender {
  readonly from: number;
  /** Tabs of one device share a disk. */
  readonly device: string;
  readonly schemaVersion: number;
}

/** The line to the other tabs that have the same room open as the same user. */
export interface TabLine {
  /** Whether there is any way to other tabs. */
  readonly isWired: boolean;
  send(message: TabMessage): void;
  close(): void;
}

/** What is heard waits, in order, until `open` is called. */
export interface WaitingTabLine extends TabLine {
  open(): void;
}

export function createTabLine(
  transports: readonly TabTransport[],
  name: string,
  sender: () => TabSender,
  heard: (message: TabMessage, sender: TabSender) => void,
): WaitingTabLine {
  type Envelope = { readonly protocol: number; readonly sender: TabSender; readonly message: TabMessage };
  let waiting: Envelope[] | undefined = [];

  function take(data: unknown): void {
    // Pages of this origin are trusted; those of another version of Cotable are told by their number.
    const envelope = data as Partial<Envelope> | undefined;
    if (envelope?.protocol !== TAB_PROTOCOL) return;
    if (waiting) waiting.push(envelope as Envelope);
    else heard((envelope as Envelope).message, (envelope as Envelope).sender);
  }

  const channels = transports.map((transport) => transport.join(name, take));
  return {
    isWired: channels.length > 0,
    send(message) {
      const envelope: Envelope = { protocol: TAB_PROTOCOL, sender: sender(), message };
      for (const channel of channels) channel.send(envelope);
    },
    open() {
      const early = waiting ?? [];
      waiting = undefined;
      for (const { message, sender: by } of early) heard(message, by);
    },
    close() {
      for (const channel of channels) channel.close();
    },
  };
}
