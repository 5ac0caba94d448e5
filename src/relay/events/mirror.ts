import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { StreamDefinition } from '../../schema/schema.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../schema/validator.ts';
import type { RoomStreams, RunStream } from '../streams.ts';
import { ANYTHING, type EventInput, type EventTable } from './events.ts';
import type { LocalFanOut } from './local-fan-out.ts';
import type { RoomNews } from './peers.ts';

/** Pieces that another relay has checked. */
const CHECKED: StreamDefinition = { kind: 'items', of: ANYTHING };

/** What other relays run in a room, as its members here see it. */
export interface Mirror {
  hear(relay: string, news: RoomNews): void;
  /** A relay is gone: what it had begun ends here. */
  gone(relay: string): void;
  /** Nobody here is left. */
  close(): void;
}

/** No event is at work for longer: that it is over was not heard. */
const FORGOTTEN_MS = 20 * 60_000;

interface Mirrored {
  readonly relay: string;
  readonly since: number;
  stream: RunStream | undefined;
  /** How many pieces were heard; `undefined`: one was missed, and what comes behind it is not shown. */
  heard: number | undefined;
  /** What lets the event leave. */
  delivery: Promise<() => void> | undefined;
}

export function createMirror(options: {
  readonly room: string;
  readonly streams: RoomStreams;
  readonly table: EventTable;
  readonly fanOut: LocalFanOut;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}): Mirror {
  const { room, streams, table, fanOut, clock, logger } = options;
  const runs = new Map<string, Mirrored>();

  function of(relay: string, run: string): Mirrored {
    const since = clock.now();
    for (const [old, mirrored] of runs) {
      if (since - mirrored.since < FORGOTTEN_MS) break;
      end(old, mirrored);
    }
    const known = runs.get(run) ?? { relay, since, stream: undefined, heard: 0, delivery: undefined };
    runs.set(run, known);
    return known;
  }

  function end(run: string, { stream }: Mirrored): void {
    runs.delete(run);
    if (stream) streams.finish(run);
  }

  function said(mirrored: Mirrored, { run, number, piece, to }: RoomNews & { readonly type: 'said' }): void {
    // Who sees a stream sees a beginning of it, without a gap.
    if (mirrored.heard !== number) return void (mirrored.heard = undefined);
    mirrored.heard = number + 1;
    if (!mirrored.stream) {
      mirrored.stream = streams.of(run, { name: run, definition: CHECKED });
      mirrored.stream.begin(1, undefined);
    }
    mirrored.stream.say(parseJson(piece), to);
  }

  async function prepare({ run, action, input, userId, output }: RoomNews & { readonly type: 'event' }): Promise<() => void> {
    const known = table.all.find((event) => event.action === action);
    const shape = table.shapes[action];
    if (!known || !shape) throw new TypeError('this relay has no such event');
    const { data, ignoreSelf } = validate(shape.input, parseJson(input), `${action}.input`, (issues) => {
      throw new TypeError(`its input does not fit here: ${JSON.stringify(issues)}`);
    }) as EventInput;
    return fanOut.prepare({ known, room, run, data, output: parseJson(output), ...(ignoreSelf && { but: userId }) });
  }

  return {
    hear(relay, news) {
      const mirrored = of(relay, news.run);
      const failed = (error: unknown): void => logger.error({ room, run: news.run, relay, error }, 'an event of another relay failed here');
      switch (news.type) {
        case 'said':
          try {
            said(mirrored, news);
          } catch (error) {
            mirrored.heard = undefined;
            failed(error);
          }
          return;
        case 'event':
          mirrored.delivery = prepare(news);
          mirrored.delivery.catch(failed);
          return;
        case 'over':
          end(news.run, mirrored);
          // It has failed, and that is told.
          if (news.isDelivered)
            mirrored.delivery?.then(
              (deliver) => deliver(),
              () => undefined,
            );
      }
    },
    gone(relay) {
      for (const [run, mirrored] of runs) if (mirrored.relay === relay) end(run, mirrored);
    },
    close() {
      for (const [run, mirrored] of runs) end(run, mirrored);
    },
  };
}
