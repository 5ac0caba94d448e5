import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { readList, writeList } from './lists.ts';
import type {
  CellBinding,
  DeltaFrame,
  ResumeFrame,
  StreamEndFrame,
  StreamFrame,
  StreamGoneFrame,
  StreamKind,
  StreamPlace,
  StreamsFrame,
} from './stream-frames.ts';

type AnyStreamFrame = ResumeFrame | StreamsFrame | StreamFrame | DeltaFrame | StreamEndFrame | StreamGoneFrame;

/** The byte that stands for each type. Never given to another one. */
export const STREAM_TYPES = { resume: 5, stream: 23, delta: 24, streamEnd: 25, streams: 26, streamGone: 27 } as const;

const KINDS: readonly StreamKind[] = ['text', 'items', 'value'];
/** No store follows more streams at a time. */
const MAX_PLACES = 10_000;

export function writeStreamFrame(out: encoding.Encoder, frame: AnyStreamFrame): void {
  if (frame.type === 'streams') return writeList(out, frame.runs, encoding.writeVarString);
  encoding.writeVarString(out, frame.run);
  switch (frame.type) {
    case 'resume':
      encoding.writeVarUint(out, frame.attempt);
      encoding.writeVarUint(out, frame.offset);
      return;
    case 'stream':
      encoding.writeVarUint(out, frame.attempt);
      encoding.writeUint8(out, KINDS.indexOf(frame.kind));
      writeList(out, frame.cell ? [frame.cell.table, frame.cell.key, frame.cell.field] : [], encoding.writeVarString);
      return;
    case 'delta':
      encoding.writeVarUint(out, frame.offset);
      encoding.writeVarString(out, frame.body);
      return;
    case 'streamEnd':
      for (const number of [frame.attempt, frame.seq, frame.length]) encoding.writeVarUint(out, number);
      return;
    case 'streamGone':
  }
}

/** `undefined`: it is no frame of a stream. Throws what it cannot read. */
export function readStreamFrame(input: decoding.Decoder, type: number): AnyStreamFrame | undefined {
  switch (type) {
    case STREAM_TYPES.resume:
      return { type: 'resume', ...readPlace(input) };
    case STREAM_TYPES.streams:
      return { type: 'streams', runs: readList(input, decoding.readVarString) };
    case STREAM_TYPES.stream:
      return {
        type: 'stream',
        run: decoding.readVarString(input),
        attempt: decoding.readVarUint(input),
        kind: readKind(input),
        cell: readCell(input),
      };
    case STREAM_TYPES.delta:
      return {
        type: 'delta',
        run: decoding.readVarString(input),
        offset: decoding.readVarUint(input),
        body: decoding.readVarString(input),
      };
    case STREAM_TYPES.streamEnd:
      return {
        type: 'streamEnd',
        run: decoding.readVarString(input),
        attempt: decoding.readVarUint(input),
        seq: decoding.readVarUint(input),
        length: decoding.readVarUint(input),
      };
    case STREAM_TYPES.streamGone:
      return { type: 'streamGone', run: decoding.readVarString(input) };
    default:
      return undefined;
  }
}

export function writePlaces(out: encoding.Encoder, places: readonly StreamPlace[]): void {
  writeList(out, places, (to, { run, attempt, offset }) => {
    encoding.writeVarString(to, run);
    encoding.writeVarUint(to, attempt);
    encoding.writeVarUint(to, offset);
  });
}

export function readPlaces(input: decoding.Decoder): StreamPlace[] {
  return readList(input, readPlace, MAX_PLACES);
}

function readPlace(input: decoding.Decoder): StreamPlace {
  return { run: decoding.readVarString(input), attempt: decoding.readVarUint(input), offset: decoding.readVarUint(input) };
}

function readKind(input: decoding.Decoder): StreamKind {
  const kind = KINDS[decoding.readUint8(input)];
  if (!kind) throw new Error('there is no such kind of stream');
  return kind;
}

function readCell(input: decoding.Decoder): CellBinding | undefined {
  const [table, key, field] = readList(input, decoding.readVarString);
  return table === undefined || key === undefined || field === undefined ? undefined : { table, key, field };
}
