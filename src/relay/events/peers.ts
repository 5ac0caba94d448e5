import type { Backplane } from '../../ports/backplane.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Audience } from '../stream-source.ts';

/** What a relay tells others of a room in which it runs an event. */
export type RoomNews =
  /** The handler says something: `number` counts from 0, `piece` is JSON text of what a viewer gets. */
  | { readonly type: 'said'; readonly run: string; readonly number: number; readonly piece: string; readonly to: Audience }
  /** The handler is done: per-recipient handlers may run. `input` is that of the run, `output` JSON text. */
  | {
      readonly type: 'event';
      readonly run: string;
      readonly action: string;
      readonly input: string;
      readonly userId: string;
      readonly output: string;
    }
  /** The run has ended: the event leaves, or never does. */
  | { readonly type: 'over'; readonly run: string; readonly isDelivered: boolean };

type Message =
  | { readonly type: 'here'; readonly isNew: boolean }
  | { readonly type: 'bye' }
  | { readonly type: 'count'; readonly id: number; readonly room: string; readonly but?: string }
  | { readonly type: 'counted'; readonly id: number; readonly to: string; readonly count: number }
  | { readonly type: 'room'; readonly news: RoomNews };

/** The other relays of the app. */
export interface Peers {
  /** What others tell of a room is heard until the function returned is called. */
  attend(room: string, hear: (relay: string, news: RoomNews) => void): () => void;
  tell(room: string, news: RoomNews): void;
  /** How many sessions on other relays would get an event. One that does not answer in time counts as none. */
  count(room: string, but: string | undefined): Promise<number>;
  close(): void;
}

const ALL = 'cotable/events';
const EVERY_MS = 10_000;
/** A relay that says nothing for so long is gone. */
const GONE_MS = 35_000;
const COUNT_MS = 250;

/** A relay on its own. */
export const NO_PEERS: Peers = { attend: () => () => undefined, tell: () => undefined, count: async () => 0, close: () => undefined };

export function createPeers(options: {
  readonly backplane: Backplane;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Names this relay and no other. */
  readonly id: string;
  /** How many sessions here would get an event. */
  count(room: string, but: string | undefined): number;
  /** A relay is there no more. */
  gone(relay: string): void;
}): Peers {
  const { backplane, clock, logger, id: self } = options;
  /** When each was heard of last. */
  const peers = new Map<string, number>();
  const counting = new Map<number, { readonly missing: Set<string>; count: number; done(): void }>();
  let asked = 0;
  let cancel = (): void => undefined;

  function publish(channel: string, message: Message): void {
    backplane.publish(channel, new TextEncoder().encode(JSON.stringify({ ...message, relay: self })));
  }

  /** Those of this relay's own are left out. */
  function subscribe(channel: string, hear: (relay: string, message: Message) => void): () => void {
    return backplane.subscribe(channel, (bytes) => {
      try {
        const message = JSON.parse(new TextDecoder().decode(bytes)) as Message & { readonly relay: string };
        if (message.relay !== self) hear(message.relay, message);
      } catch (error) {
        logger.error({ channel, error }, 'what another relay said of events could not be read');
      }
    });
  }

  function hear(relay: string, message: Message): void {
    if (message.type === 'bye') return leave(relay);
    peers.set(relay, clock.now());
    if (message.type === 'here' && message.isNew) publish(ALL, { type: 'here', isNew: false });
    if (message.type === 'count') {
      const { room, but } = message;
      publish(ALL, { type: 'counted', id: message.id, to: relay, count: options.count(room, but) });
    }
    if (message.type === 'counted' && message.to === self) counted(relay, message.id, message.count);
  }

  function counted(relay: string, question: number, count: number): void {
    const open = counting.get(question);
    if (!open?.missing.delete(relay)) return;
    open.count += count;
    if (open.missing.size === 0) open.done();
  }

  function leave(relay: string): void {
    if (!peers.delete(relay)) return;
    for (const question of [...counting.keys()]) counted(relay, question, 0);
    options.gone(relay);
  }

  function look(): void {
    for (const [relay, at] of peers) if (clock.now() - at > GONE_MS) leave(relay);
    publish(ALL, { type: 'here', isNew: false });
    cancel = clock.after(EVERY_MS, look);
  }

  const unsubscribe = subscribe(ALL, hear);
  publish(ALL, { type: 'here', isNew: true });
  cancel = clock.after(EVERY_MS, look);

  return {
    attend: (room, heard) =>
      subscribe(channelOf(room), (relay, message) => {
        if (message.type === 'room') heard(relay, message.news);
      }),
    tell: (room, news) => publish(channelOf(room), { type: 'room', news }),
    async count(room, but) {
      if (peers.size === 0) return 0;
      const id = ++asked;
      return new Promise<number>((resolve) => {
        const done = (): void => {
          cancelWait();
          counting.delete(id);
          resolve(question.count);
        };
        const cancelWait = clock.after(COUNT_MS, done);
        const question = { missing: new Set(peers.keys()), count: 0, done };
        counting.set(id, question);
        publish(ALL, { type: 'count', id, room, ...(but !== undefined && { but }) });
      });
    },
    close() {
      cancel();
      unsubscribe();
      for (const { done } of [...counting.values()]) done();
      publish(ALL, { type: 'bye' });
    },
  };
}

function channelOf(room: string): string {
  return `${ALL}/${room}`;
}
