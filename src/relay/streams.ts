import { createRoomAwareness } from '../doc/room-awareness.ts';
import { randomName } from '../mutation/mutation-id.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { CellBinding, RelayFrame, StreamEndFrame, StreamFrame } from '../protocol/frames.ts';
import { wholeText } from '../streams/text.ts';

/** An open stream: a state of the room's awareness. A delta extends it; only a newcomer gets it whole. */
interface OpenStream {
  readonly run: string;
  readonly attempt: number;
  readonly cell: CellBinding | undefined;
  readonly text: string;
}

const MAX_RECENT = 200;
/**
 * A room's streams go on at most this often, twenty times a second: nobody reads faster, and what a piece costs is not
 * its few letters but the message around it, sent to each viewer.
 */
const EVERY_MS = 50;

/** What one attempt of a run says. */
export interface RunStream {
  /** Opens the stream, empty, in the place of what an earlier attempt said. */
  begin(attempt: number, cell: CellBinding | undefined): void;
  push(piece: string): void;
  /** All that was said. */
  text(): string;
}

/** The open streams of one room. */
export interface RoomStreams {
  of(run: string): RunStream;
  /** The run ends with the entry `seq`: viewers swap to the row with it. */
  end(run: string, seq: number): void;
  /** What a newcomer needs of each open stream. */
  open(): readonly StreamFrame[];
  /** The streams that ended with an entry after `seq`, as far as they are remembered. */
  ended(seq: number): readonly RelayFrame[];
  /** What goes out before the entries up to `head`: the last pieces, and the ends that come with them. */
  due(head: number): readonly RelayFrame[];
}

/** `send` gets what is new, all streams together: at once after a rest, else when the time has come. */
export function createRoomStreams(options: {
  readonly random: Random;
  readonly clock: Pick<Clock, 'after' | 'soon'>;
  readonly send: (frames: readonly RelayFrame[]) => void;
}): RoomStreams {
  const awareness = createRoomAwareness<OpenStream>();
  const owners = new Map<string, number>();
  /** How much of each stream was sent. */
  const sent = new Map<string, number>();
  const ends = new Map<string, number>();
  /** The last that ended. */
  const recent: StreamEndFrame[] = [];
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    options.clock.soon(sendOn);
  }

  /** Comes back for as long as there is something new each time, so that the timer ends by itself soon after the streams. */
  function sendOn(): void {
    const frames = [...owners.keys()].flatMap(fresh);
    isScheduled = frames.length > 0;
    if (!isScheduled) return;
    options.clock.after(EVERY_MS, sendOn);
    options.send(frames);
  }

  /** What of a stream has not been sent yet. */
  function fresh(run: string): RelayFrame[] {
    const state = awareness.get(owners.get(run) ?? 0);
    const offset = sent.get(run) ?? 0;
    if (!state || state.text.length === offset) return [];
    sent.set(run, state.text.length);
    return [{ type: 'delta', run, offset, text: state.text.slice(offset) }];
  }

  return {
    of(run) {
      let rest = '';
      let said = '';
      return {
        begin(attempt, cell) {
          const owner = owners.get(run) ?? randomName(options.random);
          owners.set(run, owner);
          sent.set(run, 0);
          awareness.set(owner, { run, attempt, cell, text: '' });
          options.send([{ type: 'stream', run, attempt, cell, text: '' }]);
        },
        push(piece) {
          const owner = owners.get(run) ?? 0;
          const state = awareness.get(owner);
          if (!state) return;
          const whole = wholeText(rest + piece);
          rest = whole.rest;
          said += whole.text;
          awareness.set(owner, { ...state, text: said });
          schedule();
        },
        text: () => said,
      };
    },
    end(run, seq) {
      if (owners.has(run)) ends.set(run, seq);
    },
    open: () =>
      awareness.states().map(({ run, attempt, cell, text }) => {
        return { type: 'stream', run, attempt, cell, text: text.slice(0, sent.get(run) ?? 0) };
      }),
    ended: (seq) => recent.filter((frame) => frame.seq > seq),
    due(head) {
      const frames: RelayFrame[] = [];
      for (const [run, seq] of ends) {
        if (seq > head) continue;
        const end: StreamEndFrame = { type: 'streamEnd', run, seq };
        frames.push(...fresh(run), end);
        recent.push(end);
        if (recent.length > MAX_RECENT) recent.shift();
        awareness.delete(owners.get(run) ?? 0);
        for (const map of [owners, sent, ends]) map.delete(run);
      }
      return frames;
    },
  };
}
