import { CotableError } from '../errors.ts';
import { createConnector } from '../link/connector.ts';
import { createTokenRefresh } from '../link/token-refresh.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { RelayConnection } from '../ports/transport.ts';
import type { AnswerFrame, EventFrame, TakenFrame } from '../protocol/sync-frames.ts';
import type { Way } from './sync-requests.ts';
import { createPieceStreams, type PieceStreams } from './sync-streams.ts';
import type { SyncRoomStatus } from './sync-types.ts';
import { eventWire, type EventLink } from './sync-wire.ts';

/** One room: its link, which comes back by itself, and what is said over it. */
export interface Room extends Way {
  readonly status: SyncRoomStatus;
  /** Whether its events are heard. */
  isJoined: boolean;
  readonly streams: Pick<PieceStreams, 'look'>;
  /** Tells the relay whether events are wanted. */
  listen(isOn: boolean): void;
  close(): void;
}

export interface RoomEvents {
  entered(): void;
  /** There is no link. */
  lost(reason: CotableError | undefined): void;
  /** The relay does not let this user in. */
  refused(error: CotableError): void;
  /** Whether pieces of it may have been said that nobody here got. */
  taken(frame: TakenFrame): boolean;
  /** Behind the pieces of its run. */
  answer(frame: AnswerFrame): void;
  event(frame: EventFrame): void;
  /** `isFor` as on the wire: 0 who asked, 1 callbacks. */
  piece(run: string, isFor: unknown, piece: unknown): void;
  isWanted(run: string): boolean;
  runOf(request: string): string | undefined;
  changed(): void;
}

/** Lost links with these reasons say nothing of whether this user may come in. */
const isRefusal = ({ code }: CotableError): boolean => /^(auth|room|schema|sync)\.|^protocol\.(unsupportedVersion|badFrame)$/.test(code);

export function createRoom(
  name: string,
  connection: Omit<RelayConnection, 'room'>,
  world: { readonly clock: Clock; readonly random: Random },
  events: RoomEvents,
): Room {
  const { clock, random } = world;
  let link: EventLink | undefined;
  let enteredAs: string | undefined;
  /** The relay has been told who this is, and has not answered. */
  let isKnocking = false;
  /** What was on its way by then is not heard. */
  let isClosed = false;
  let status: SyncRoomStatus = { state: 'connecting', reason: undefined };
  const refresh = createTokenRefresh(clock, connection.token);
  const streams = createPieceStreams({
    isWanted: events.isWanted,
    give(run, piece) {
      if (Array.isArray(piece)) events.piece(run.split('~', 2).join('~'), piece[0], piece[1]);
    },
    resume: (place) => link?.send({ type: 'resume', ...place }),
  });

  function show(state: SyncRoomStatus['state'], reason = status.reason): void {
    status = { state, reason };
    events.changed();
  }

  async function enter(opened: EventLink): Promise<void> {
    try {
      const userId = await connection.identify();
      const token = (await connection.token?.()) ?? '';
      if (opened.isClosed) return;
      isKnocking = true;
      opened.send({ type: 'enter', room: name, userId, token, streams: streams.places() });
    } catch (error) {
      opened.close(new CotableError('auth.required', {}, { cause: error }));
    }
  }

  const connector = createConnector([...connection.transports], eventWire, clock, random, {
    opened(opened) {
      link = opened;
      void enter(opened);
    },
    frame(frame) {
      if (isClosed) return undefined;
      switch (frame.type) {
        case 'entered':
          isKnocking = false;
          enteredAs = frame.userId;
          connector.settled();
          if (room.isJoined) link?.send({ type: 'listen', isOn: true });
          show('online', undefined);
          return events.entered();
        case 'grant':
          return link && refresh.granted(frame.expiresInMs, link);
        case 'taken':
          if (events.taken(frame) && enteredAs !== '') return streams.want(frame.run);
          return streams.look();
        case 'answer': {
          const run = events.runOf(frame.request);
          const answer = (): void => events.answer(frame);
          return run === undefined ? answer() : streams.after(run, answer);
        }
        case 'event':
          return streams.after(frame.run, () => events.event(frame));
        case 'pong':
          return;
        default:
          return streams.hear(frame);
      }
    },
    trying: () => status.state !== 'denied' && show('connecting'),
    lost(reason) {
      const isRefused = isKnocking && reason !== undefined && isRefusal(reason);
      link = enteredAs = undefined;
      isKnocking = false;
      refresh.stop();
      events.lost(reason);
      show(isRefused ? 'denied' : 'offline', reason);
      if (isRefused) events.refused(reason);
    },
  });

  const room: Room = {
    isJoined: false,
    streams,
    get status() {
      return status;
    },
    get enteredAs() {
      return enteredAs;
    },
    send: (frame) => link?.send(frame),
    listen(isOn) {
      room.isJoined = isOn;
      if (enteredAs !== undefined) link?.send({ type: 'listen', isOn });
    },
    close() {
      isClosed = true;
      connector.close();
    },
  };
  connector.start();
  return room;
}
