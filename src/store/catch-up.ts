import { CotableError } from '../errors.ts';
import type { RoomBirth } from '../ports/relay-storage.ts';
import { decodeRecord, decodeTables } from '../protocol/records.ts';
import type { EntriesFrame, SnapshotFrame, WelcomeFrame } from '../protocol/frames.ts';
import { concatBytes } from '../util/bytes.ts';
import { ceilingOf, clockOffsetOf, fencedWith, type Conversation } from './conversation.ts';
import type { Core } from './core.ts';
import { judge } from './judging.ts';

/** How a store gets as far as the relay was when it answered: by entries, or by a snapshot and the entries behind it. */
export interface CatchUp {
  /** What was confirmed cannot be read back from this device: the relay has it. */
  wantsSnapshot: boolean;
  welcome(frame: WelcomeFrame, conversation: Conversation): void | Promise<void>;
  snapshot(frame: SnapshotFrame, conversation: Conversation): void | Promise<void>;
  entries(frame: EntriesFrame, conversation: Conversation): void | Promise<void>;
}

export interface CatchUpEvents {
  /** All that the relay had when it answered is here: called once for each link. */
  caughtUp(conversation: Conversation, welcome: WelcomeFrame): Promise<void>;
  /** Something that was pending is confirmed. */
  heard(): void;
  /** More was confirmed: what waited for it may be sent, if the link is level. */
  pump(): void;
}

export function createCatchUp(core: Core, events: CatchUpEvents): CatchUp {
  /** With all behind it at once: what is pending runs again on what the relay has now, not on what it had once. */
  async function installWhenWhole(conversation: Conversation): Promise<void> {
    const { base, welcome } = conversation;
    if (!base || !welcome || base.seq + base.entries.length < welcome.head) return;
    conversation.base = undefined;
    const { writer, writerLast: last } = welcome;
    const seq = base.seq + base.entries.length;
    await core.install({ ...base, seq }, ceilingOf(welcome), { writer, last }, judge(core, welcome));
    catchUp.wantsSnapshot = false;
    await levelWhenCaughtUp(conversation);
  }

  function confirm(records: readonly Uint8Array[]): void {
    const pending = core.replica.pending.size;
    try {
      core.confirm(records.map(decodeRecord));
    } catch (error) {
      // What is here does not go together with what the relay has, or the relay's disk has spoilt an entry: its snapshot is well.
      catchUp.wantsSnapshot = true;
      throw error;
    }
    if (core.replica.pending.size < pending) events.heard();
  }

  function checkBirth(frame: RoomBirth, { lineage, epoch }: RoomBirth): void {
    if (frame.lineage !== lineage || frame.epoch !== epoch) throw new CotableError('room.lineageChanged', {});
  }

  function levelWhenCaughtUp(conversation: Conversation): Promise<void> | undefined {
    const { welcome, isLevel, base } = conversation;
    const { birth, seq } = core.replica;
    if (base || isLevel || catchUp.wantsSnapshot || !welcome) return undefined;
    if (birth.lineage !== welcome.lineage || birth.epoch !== welcome.epoch || seq < welcome.head) return undefined;
    conversation.isLevel = true;
    return events.caughtUp(conversation, welcome);
  }

  const catchUp: CatchUp = {
    wantsSnapshot: false,
    welcome(frame, conversation) {
      conversation.welcome = frame;
      core.welcomed(clockOffsetOf(core, conversation, frame), fencedWith(conversation, frame));
      // Ahead of the relay, which was set back to an older copy of itself perhaps: what it has follows as a snapshot.
      if (core.replica.seq > frame.head) catchUp.wantsSnapshot = true;
      return levelWhenCaughtUp(conversation);
    },
    snapshot({ lineage, epoch, seq, isLast, bytes }, conversation) {
      conversation.parts.push(bytes);
      if (!isLast) return;
      conversation.base = { lineage, epoch, seq, tables: decodeTables(concatBytes(conversation.parts)), entries: [] };
      conversation.parts = [];
      return installWhenWhole(conversation);
    },
    entries(frame, conversation) {
      checkBirth(frame, conversation.base ?? core.replica.birth);
      if (conversation.base) {
        conversation.base.entries.push(...frame.records.map(decodeRecord).filter((record) => record.kind === 'entry'));
        return installWhenWhole(conversation);
      }
      confirm(frame.records);
      return levelWhenCaughtUp(conversation) ?? events.pump();
    },
  };
  return catchUp;
}
