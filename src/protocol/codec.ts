import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import type { MutationKey, Outcome, RoomBirth } from '../ports/relay-storage.ts';
import type { RunEnding, StoredRunStatus } from '../ports/run-storage.ts';
import { CONTROL_TYPES, readControlFrame, readParams, writeControlFrame } from './control-codec.ts';
import { PROTOCOL_VERSION, type Frame, type Intent, type MutationOutcome, type TableUpdate } from './frames.ts';
import { readList, writeList } from './lists.ts';
import { readPlaces, readStreamFrame, STREAM_TYPES, writePlaces, writeStreamFrame } from './stream-codec.ts';

type Writer = encoding.Encoder;
type Reader = decoding.Decoder;

/** The byte that stands for each type. Never given to another one. */
const TYPES = {
  hello: 1,
  mutate: 2,
  call: 4,
  bye: 6,
  ask: 11,
  cancel: 12,
  welcome: 16,
  snapshot: 17,
  entries: 18,
  outcome: 19,
  run: 22,
  ...CONTROL_TYPES,
  ...STREAM_TYPES,
} as const;

/** A mutation has at most so many cells, and so no more tables. */
const MAX_UPDATES = 2_000;

export function encodeFrame(frame: Frame): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeUint8(out, PROTOCOL_VERSION);
  encoding.writeUint8(out, TYPES[frame.type]);
  writeBody(out, frame);
  return encoding.toUint8Array(out);
}

/** Reads one frame to its last byte. Throws `protocol.unsupportedVersion` or `protocol.badFrame`, nothing else. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const input = decoding.createDecoder(bytes);
  try {
    const version = decoding.readUint8(input);
    if (version !== PROTOCOL_VERSION) throw new CotableError('protocol.unsupportedVersion', { mine: PROTOCOL_VERSION, theirs: version });
    const frame = readBody(input, decoding.readUint8(input));
    if (decoding.hasContent(input)) throw new Error('bytes are left over');
    return frame;
  } catch (error) {
    if (error instanceof CotableError) throw error;
    throw new CotableError('protocol.badFrame', { problem: error instanceof Error ? error.message : String(error) });
  }
}

function writeBody(out: Writer, frame: Frame): void {
  switch (frame.type) {
    case 'hello':
      encoding.writeVarUint(out, frame.schemaVersion);
      for (const text of [frame.room, frame.userId, frame.token]) encoding.writeVarString(out, text);
      for (const number of [frame.lineage, frame.epoch, frame.seq, frame.replica, frame.writer]) encoding.writeVarUint(out, number);
      writeList(out, frame.fence, encoding.writeVarUint);
      writeList(out, frame.outbox, (to, range) => {
        for (const number of [range.replica, range.from, range.to]) encoding.writeVarUint(to, number);
      });
      writePlaces(out, frame.streams);
      return;
    case 'mutate':
      writeBirth(out, frame);
      encoding.writeVarUint(out, frame.writer);
      encoding.writeVarUint(out, frame.number);
      writeKey(out, frame.key);
      encoding.writeVarUint(out, frame.clock);
      encoding.writeVarString(out, frame.name);
      writeList(out, frame.intents, writeIntent);
      writeUpdates(out, frame.updates);
      return;
    case 'welcome':
      writeBirth(out, frame);
      for (const number of [frame.head, frame.now, frame.writer, frame.writerLast]) encoding.writeVarUint(out, number);
      encoding.writeVarString(out, frame.userId);
      encoding.writeVarString(out, frame.sessionId);
      writeList(out, frame.outcomes, writeOutcome);
      return;
    case 'snapshot':
      writeBirth(out, frame);
      encoding.writeVarUint(out, frame.seq);
      encoding.writeUint8(out, frame.isLast ? 1 : 0);
      encoding.writeVarUint8Array(out, frame.bytes);
      return;
    case 'entries':
      writeBirth(out, frame);
      writeList(out, frame.records, encoding.writeVarUint8Array);
      return;
    case 'outcome':
      writeBirth(out, frame);
      writeOutcome(out, frame);
      return;
    case 'call':
      for (const text of [frame.run, frame.name, frame.input, frame.key]) encoding.writeVarString(out, text);
      encoding.writeVarUint(out, frame.expiresAt);
      return;
    case 'ask':
    case 'cancel':
      encoding.writeVarString(out, frame.run);
      return;
    case 'bye':
      encoding.writeVarUint(out, frame.writer);
      encoding.writeVarUint(out, frame.last);
      return;
    case 'run':
      for (const text of [frame.run, frame.name, frame.status]) encoding.writeVarString(out, text);
      for (const number of [frame.attempt, frame.seq]) encoding.writeVarUint(out, number);
      encoding.writeVarString(out, frame.ending ? JSON.stringify(frame.ending) : '');
      encoding.writeVarString(out, frame.input);
      return;
    case 'auth':
    case 'grant':
    case 'ping':
    case 'pong':
    case 'failed':
      return writeControlFrame(out, frame);
    default:
      writeStreamFrame(out, frame);
  }
}

function readBody(input: Reader, type: number): Frame {
  switch (type) {
    case TYPES.hello:
      return {
        type: 'hello',
        schemaVersion: decoding.readVarUint(input),
        room: decoding.readVarString(input),
        userId: decoding.readVarString(input),
        token: decoding.readVarString(input),
        lineage: decoding.readVarUint(input),
        epoch: decoding.readVarUint(input),
        seq: decoding.readVarUint(input),
        replica: decoding.readVarUint(input),
        writer: decoding.readVarUint(input),
        fence: readList(input, decoding.readVarUint),
        outbox: readList(input, (from) => ({
          replica: decoding.readVarUint(from),
          from: decoding.readVarUint(from),
          to: decoding.readVarUint(from),
        })),
        streams: readPlaces(input),
      };
    case TYPES.mutate:
      return {
        type: 'mutate',
        ...readBirth(input),
        writer: decoding.readVarUint(input),
        number: decoding.readVarUint(input),
        key: readKey(input),
        clock: decoding.readVarUint(input),
        name: decoding.readVarString(input),
        intents: readList(input, readIntent),
        updates: readUpdates(input, MAX_UPDATES),
      };
    case TYPES.welcome:
      return {
        type: 'welcome',
        ...readBirth(input),
        head: decoding.readVarUint(input),
        now: decoding.readVarUint(input),
        writer: decoding.readVarUint(input),
        writerLast: decoding.readVarUint(input),
        userId: decoding.readVarString(input),
        sessionId: decoding.readVarString(input),
        outcomes: readList(input, readOutcome),
      };
    case TYPES.snapshot:
      return {
        type: 'snapshot',
        ...readBirth(input),
        seq: decoding.readVarUint(input),
        isLast: decoding.readUint8(input) === 1,
        bytes: readBytes(input),
      };
    case TYPES.entries:
      return { type: 'entries', ...readBirth(input), records: readList(input, readBytes) };
    case TYPES.outcome:
      return { type: 'outcome', ...readBirth(input), ...readOutcome(input) };
    case TYPES.call:
      return {
        type: 'call',
        run: decoding.readVarString(input),
        name: decoding.readVarString(input),
        input: decoding.readVarString(input),
        key: decoding.readVarString(input),
        expiresAt: decoding.readVarUint(input),
      };
    case TYPES.ask:
      return { type: 'ask', run: decoding.readVarString(input) };
    case TYPES.cancel:
      return { type: 'cancel', run: decoding.readVarString(input) };
    case TYPES.bye:
      return { type: 'bye', writer: decoding.readVarUint(input), last: decoding.readVarUint(input) };
    case TYPES.run:
      return {
        type: 'run',
        run: decoding.readVarString(input),
        name: decoding.readVarString(input),
        status: readStatus(input),
        attempt: decoding.readVarUint(input),
        seq: decoding.readVarUint(input),
        ending: readEnding(input),
        input: decoding.readVarString(input),
      };
    default: {
      const frame = readControlFrame(input, type) ?? readStreamFrame(input, type);
      if (frame) return frame;
      throw new Error(`there is no frame of type ${type}`);
    }
  }
}

/** A cancel is an intent without a name. */
function writeIntent(out: Writer, intent: Intent): void {
  const texts = 'cancel' in intent ? ['', intent.cancel] : [intent.name, intent.input, intent.key];
  for (const text of texts) encoding.writeVarString(out, text);
  if (!('cancel' in intent)) encoding.writeVarUint(out, intent.notBefore);
}

function readIntent(input: Reader): Intent {
  const name = decoding.readVarString(input);
  const text = decoding.readVarString(input);
  if (name === '') return { cancel: text };
  return { name, input: text, key: decoding.readVarString(input), notBefore: decoding.readVarUint(input) };
}

function writeBirth(out: Writer, birth: RoomBirth): void {
  encoding.writeVarUint(out, birth.lineage);
  encoding.writeVarUint(out, birth.epoch);
}

function readBirth(input: Reader): RoomBirth {
  return { lineage: decoding.readVarUint(input), epoch: decoding.readVarUint(input) };
}

export function writeKey(out: Writer, key: MutationKey): void {
  encoding.writeVarUint(out, key.replica);
  encoding.writeVarUint(out, key.counter);
}

export function readKey(input: Reader): MutationKey {
  return { replica: decoding.readVarUint(input), counter: decoding.readVarUint(input) };
}

/** `seq + 1` for an accepted one; 0, code and params for a refused one. */
function writeOutcome(out: Writer, { key, outcome }: MutationOutcome): void {
  writeKey(out, key);
  if ('seq' in outcome) return encoding.writeVarUint(out, outcome.seq + 1);
  encoding.writeVarUint(out, 0);
  encoding.writeVarString(out, outcome.refused.code);
  encoding.writeVarString(out, JSON.stringify(outcome.refused.params));
}

function readOutcome(input: Reader): MutationOutcome {
  const key = readKey(input);
  const seq = decoding.readVarUint(input);
  const outcome: Outcome = seq > 0 ? { seq: seq - 1 } : { refused: { code: decoding.readVarString(input), params: readParams(input) } };
  return { key, outcome };
}

export function writeUpdates(out: Writer, updates: readonly TableUpdate[]): void {
  writeList(out, updates, (to, update) => {
    encoding.writeVarString(to, update.table);
    encoding.writeVarUint8Array(to, update.bytes);
  });
}

export function readUpdates(input: Reader, limit?: number): TableUpdate[] {
  return readList(input, (from) => ({ table: decoding.readVarString(from), bytes: readBytes(from) }), limit);
}

/** A copy of its own: a view would keep the whole message alive. */
function readBytes(input: Reader): Uint8Array {
  return decoding.readVarUint8Array(input).slice();
}

const STATUSES: ReadonlySet<string> = new Set<StoredRunStatus>([
  'queued',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'canceled',
  'expired',
]);

function readStatus(input: Reader): StoredRunStatus {
  const status = decoding.readVarString(input);
  if (!STATUSES.has(status)) throw new Error(`a run is never ${status}`);
  return status as StoredRunStatus;
}

function readEnding(input: Reader): RunEnding | undefined {
  const text = decoding.readVarString(input);
  return text === '' ? undefined : (JSON.parse(text) as RunEnding);
}
