import { asCotableError, CotableError, isCotableError } from '../../errors.ts';
import { parseJson } from '../../protocol/json.ts';
import { joinFrames } from '../../protocol/message.ts';
import { encodeSyncFrame } from '../../protocol/sync-codec.ts';
import type { SyncFrame, SyncRelayFrame } from '../../protocol/sync-frames.ts';
import type { SyncResponse } from '../../schema/events.ts';
import type { Member } from '../member.ts';
import type { RoomStreams } from '../streams.ts';
import type { EventCaller, EventDoor, TakenEvent } from './door.ts';
import { FOR_ASKER, syncRunId, type EventTable } from './events.ts';
import type { FanOut } from './fan-out.ts';
import type { LocalFanOut } from './local-fan-out.ts';
import type { EventLimits } from './limits.ts';
import { failed, type Outcome } from './messages.ts';
import type { Listener } from './recipients.ts';
import type { EventSeat } from './seat.ts';

/** Events over links: what frames ask for, and what they are answered with. */
export function createEventLinks(options: {
  readonly table: EventTable;
  readonly door: EventDoor;
  readonly fanOut: FanOut;
  readonly local: LocalFanOut;
  readonly limits: EventLimits;
  readonly answer: (outcome: Outcome, locale: string) => SyncResponse;
}): (member: Member, streams: RoomStreams) => EventSeat {
  const { table, door, fanOut, local, limits, answer } = options;

  return (member, streams) => {
    const { room } = member;
    const unattend = fanOut.attend(room, streams);
    let unlisten = (): void => undefined;
    let isGone = false;
    /** Requests that are being kept: nothing is dropped before. */
    const asking = new Map<string, Promise<string>>();

    const send = (frame: SyncRelayFrame): void => member.sendMessage(joinFrames([encodeSyncFrame(frame)]));
    /** Behind what was streamed to it; to nobody that is known nothing of the room is. */
    const sendBehind = (message: Uint8Array): void => {
      if (member.userId === '') member.sendMessage(message);
      else streams.after(member, () => member.sendMessage(message));
    };
    const caller: EventCaller = {
      get userId() {
        return member.userId;
      },
      get session() {
        return member.session ?? null;
      },
      sessionId: member.sessionId,
      ip: member.ip,
      async mayAsk() {
        if (member.isReader) throw new CotableError('auth.forbidden', { room });
      },
    };

    const listener: Listener = {
      get userId() {
        return member.userId;
      },
      sessionId: member.sessionId,
      get session() {
        return member.session;
      },
      send: sendBehind,
    };

    async function ask({ request, name, version, data, ignoreSelf, requireReceivers }: SyncFrame): Promise<Outcome> {
      limits.address(member.ip);
      const taking = door.ask({ room, request, name, version, data: parseJson(data), ignoreSelf, requireReceivers }, caller);
      const kept = taking.then(({ run }) => run);
      kept.catch(() => undefined);
      asking.set(request, kept);
      try {
        const taken = await taking;
        send({ type: 'taken', request, run: taken.run });
        if (member.userId === '') await show(taken);
        return await taken.outcome;
      } finally {
        if (asking.get(request) === kept) asking.delete(request);
      }
    }

    /** Nobody that is known is no viewer of the room: what is said to it alone comes all the same. */
    async function show({ run, said }: TakenEvent): Promise<void> {
      let offset = 0;
      for await (const piece of said()) {
        if (offset === 0) member.send({ type: 'stream', run, attempt: 1, kind: 'items', cell: undefined });
        member.send({ type: 'delta', run, offset, body: JSON.stringify([[FOR_ASKER, piece]]) });
        offset += 1;
        await member.drained();
      }
      member.send({ type: 'streamEnd', run, attempt: 1, seq: 0, length: offset });
    }

    return {
      listen({ isOn }) {
        unlisten();
        unlisten = () => undefined;
        // Nobody that is known asks, and gets nothing of the room.
        if (!isOn || isGone || !member.session) return;
        unlisten = local.listen(room, listener);
      },

      async sync(frame) {
        let outcome: Outcome;
        try {
          outcome = await ask(frame);
        } catch (error) {
          // It goes on at the next relay, and so does who asked, who is about to be told with the end of the link.
          if (isCotableError(error, 'relay.closed')) return;
          outcome = failed(asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error })));
        }
        const body = JSON.stringify(answer(outcome, frame.locale));
        sendBehind(joinFrames([encodeSyncFrame({ type: 'answer', request: frame.request, body })]));
      },

      async drop({ request }) {
        // A request that was asked for over an earlier link may be dropped too: then every event may be the one.
        const run = await asking.get(request)?.catch(() => undefined);
        if (run !== undefined) return door.drop(room, run, member.userId);
        try {
          limits.address(member.ip);
        } catch (error) {
          if (isCotableError(error, 'sync.rateLimitExceeded')) return;
          throw error;
        }
        for (const known of table.all) await door.drop(room, syncRunId(known, member.userId, request), member.userId);
      },

      leave() {
        if (isGone) return;
        isGone = true;
        unlisten();
        unattend();
      },
    };
  };
}
