// What make.mjs writes down. `hazard`: which of the measured dangers of Yjs on a server it is.
import {
  any,
  behind,
  block,
  bye,
  clock,
  fromRelay,
  head,
  hello,
  join,
  message,
  mutate,
  row,
  text,
  uint,
  update,
  writer,
} from './bytes.mjs';

const first = mutate(update([block([head('x')])]));
const gate = (rule, bytes, { hazard = 'gate', before = [], ...frame } = {}) => ({
  hazard,
  code: 'protocol.gateRefused',
  rule,
  before,
  frames: [mutate(bytes, { number: before.length + 1, ...frame })],
});
const value = (rule, bytes, hazard = '15') => gate(rule, update([block([head('v', join([117], uint(2), any(clock), bytes))])]), { hazard });
const nested = (depth) => (depth === 0 ? 1 : [nested(depth - 1)]);
const object = (key) => join([118], uint(1), text(key), any(1));
const TOO_MANY = 'no more structs and ranges than allowed';
const ONLY_ITEMS = 'only items are written';
const NOT_BY_ITSELF = 'only the own writer is written by';
const NOT_ITS_OWN = 'only the own writer is given back';
const writesAs = (by) => ({
  hazard: '4',
  code: 'protocol.gateRefused',
  rule: NOT_BY_ITSELF,
  greeting: { by },
  frames: [mutate(update([block([head('x')], { by })]), { by })],
});
const ASCEND = 'deleted ranges ascend and do not overlap';
const range = (length, make) => Array.from({ length }, (_, index) => make(index));

export const attacks = {
  'h1-deleted-of-no-length': gate('content is plain JSON', update([block([head('x', [], { kind: 1, count: 0 })])]), { hazard: '1' }),
  'h1-gc-of-no-length': gate(ONLY_ITEMS, update([block([[0, 0]])]), { hazard: '1' }),
  'h1-skip-of-no-length': gate(ONLY_ITEMS, update([block([[10, 0]])]), { hazard: '1' }),
  'h1-any-of-no-length': gate('an item holds one cell', update([block([head('x', [], { count: 0 })])]), { hazard: '1' }),
  'h3-number-after-a-gap': {
    hazard: '3',
    code: 'writer.gap',
    frames: [mutate(update([block([head('x')], { from: 1 })]), { number: 2 })],
  },
  'h3-delete-now-value-later': gate(
    'clocks follow without gap or repeat',
    update([block([behind([writer, 1], row('x'))], { from: 2 })], [[writer, [[0, 1]]]]),
    { hazard: '3', before: [first] },
  ),
  // The good store has leased 2. Who names what is not its own is given another one.
  'h4-writer-of-another-user': writesAs(2),
  'h4-writer-of-the-relay': writesAs(1),
  'h4-writer-that-was-never-leased': writesAs(50),
  'h4-gives-back-what-another-user-has': { hazard: '4', code: 'protocol.gateRefused', rule: NOT_ITS_OWN, frames: [bye(2, 1)] },
  'h4-writes-as-what-it-gave-back': {
    hazard: '4',
    code: 'protocol.gateRefused',
    rule: NOT_BY_ITSELF,
    frames: [bye(writer, 0), mutate(update([block([head('x')])]))],
  },
  'h6-clock-of-another-writer': gate('only the own writer is written by', update([block([head('x')], { by: 5 })]), { hazard: '6' }),
  'h6-gc-for-another-writer': gate(ONLY_ITEMS, update([block([[0, 100]], { by: 5 })]), { hazard: '6' }),
  'h6-frame-of-another-writer': gate('only the own writer is written by', update([block([head('x')], { by: 5 })]), { hazard: '6', by: 5 }),
  'h7-claims-33-million-structs': gate(TOO_MANY, join(uint(1), uint(33_000_000), uint(writer), [0]), { hazard: '7' }),
  'h7-claims-33-million-ranges': gate(TOO_MANY, join(uint(0), uint(1), uint(writer), uint(33_000_000)), { hazard: '7' }),
  'h7-claims-33-million-clients': gate(TOO_MANY, join(uint(0), uint(33_000_000)), { hazard: '7' }),
  'h7-range-of-33-million': gate(TOO_MANY, update([], [[writer, [[0, 33_000_000]]]]), { hazard: '7' }),
  'h7-deletes-descending': gate(ASCEND, update([], [[writer, range(500, (index) => [500 - index, 1])]]), { hazard: '7', before: [first] }),
  'h7-too-many-deletes-descending': gate(TOO_MANY, update([], [[writer, range(5_000, (index) => [5_000 - index, 1])]]), { hazard: '7' }),
  'h7-too-many-structs': gate(TOO_MANY, update([block(range(2_001, (index) => head(`k${index}`, any([clock]))))]), { hazard: '7' }),
  'h7-too-many-tables': { hazard: '7', code: 'protocol.badFrame', frames: [mutate(update([]), { copies: 2_500 })] },
  'h7-same-key-in-one-update': gate('a cell is written once', update([block(range(500, () => head('x', any([clock]))))]), { hazard: '7' }),
  'h7-same-key-from-the-head-again': gate('a writer writes behind its own items', update([block([head('x')], { from: 1 })]), {
    hazard: '7',
    before: [first],
  }),
  'h7-behind-the-same-item-again': gate(
    'a writer writes behind its own items',
    update([block([behind([writer, 0], row('x'))], { from: 2 })]),
    {
      hazard: '7',
      before: [first, mutate(update([block([behind([writer, 0], row('x'))], { from: 1 })]), { number: 2 })],
    },
  ),
  'h9-good-then-bad': gate('content is plain JSON', update([block([head('good'), head('bad', [], { kind: 1, count: 0 })])]), {
    hazard: '9',
  }),
  'h15-nan': value('a value is plain JSON', any({ id: Number.NaN })),
  'h15-infinity': value('a value is plain JSON', any({ id: Infinity })),
  'h15-bigint': value('a value is plain JSON', any({ id: 2n })),
  'h15-undefined': value('a value is plain JSON', any({ id: undefined })),
  'h15-bytes': value('a value is plain JSON', any({ id: new Uint8Array(3) })),
  'h15-proto': value('keys are well-formed', object('__proto__')),
  'h15-constructor': value('keys are well-formed', object('constructor')),
  'h15-too-deep': value('a value is not too deep', any({ id: nested(40) })),
  'h15-lists-without-end': value('a value is not too deep', join(...range(20_000, () => [117, 1]))),
  'h15-objects-without-end': value('a value is not too deep', join(...range(20_000, () => [118, 1, 1, 97]))),
  'h15-field-proto': gate('keys are well-formed', update([block([head('x\u001f__proto__', any([clock, 1]))])]), { hazard: '15' }),
  'h17-ends-early': gate('an update can be decoded', update([block([head('x')])]).subarray(0, 12), { hazard: '17' }),
  'h17-text-beyond-the-end': value('an update can be decoded', join([119], uint(5_000), [65])),
  'h17-list-beyond-the-end': value('a value is plain JSON', join([117], uint(5_000)), '17'),
  'h17-bytes-left-over': gate('no bytes are left over', join(update([block([head('x')])]), [0, 0, 0]), { hazard: '17' }),
  'h17-number-without-end': gate('an update can be decoded', join(range(40, () => 255)), { hazard: '17' }),
  'h17-broken-text': value('an update can be decoded', join([119], uint(2), [0xc3, 0x28]), '17'),
  // What a public server would take as the state of somebody else.
  'h18-stream-of-another': { hazard: '18', code: 'protocol.badFrame', frames: [fromRelay(23, ['run'])] },
  'h18-delta-of-another': { hazard: '18', code: 'protocol.badFrame', frames: [fromRelay(24, ['run'])] },
  'h18-awareness-of-y-protocols': {
    hazard: '18',
    code: 'protocol.unsupportedVersion',
    frames: [join(uint(0x11), uint(1), uint(5), uint(2 ** 40), text('{"user":"ann"}'))],
  },
  'h19-right-origin': gate(
    'nothing is written before another item',
    update([block([behind([writer, 0], row('x'), { right: [writer, 0] })], { from: 1 })]),
    {
      hazard: '19',
      before: [first],
    },
  ),
  'h19-text': gate('content is plain JSON', update([block([head('x', text('hello'), { kind: 4, count: 1 })])]), { hazard: '19' }),
  'h19-nested-type': gate('content is plain JSON', update([block([join([7 | 0x20], uint(1), text('notes'), text('x'), uint(1))])]), {
    hazard: '19',
  }),
  'gate-empty': gate('an update changes something', update([])),
  'gate-empty-block': gate('a block is not empty', update([block([])])),
  'gate-two-blocks-of-one-client': gate(
    'only the own writer is written by, in one block',
    update([block([head('x')]), block([head('y')], { from: 1 })]),
  ),
  'gate-clock-again': gate('clocks follow without gap or repeat', update([block([head('y')])]), { before: [first] }),
  'gate-two-values': gate('an item holds one cell', update([block([head('x', join(row('x'), row('x')), { count: 2 })])])),
  'gate-another-map': gate('cells lie in the map of their table', update([block([head('x', row('x'), { map: 'other' })])])),
  'gate-inside-an-item': gate(
    'cells lie in the map of their table',
    update([block([join([8 | 0x20], uint(0), uint(writer), uint(0), text('x'), uint(1), row('x'))], { from: 1 })]),
    { before: [first] },
  ),
  'gate-no-key': gate('a cell has a key', update([block([head(undefined, row('x'))])])),
  'gate-empty-key': gate('keys are well-formed', update([block([head('')])])),
  'gate-long-key': gate('keys are well-formed', update([block([head('k'.repeat(513))])])),
  'gate-long-field': gate('keys are well-formed', update([block([head(`x\u001f${'f'.repeat(513)}`, any([clock, 1]))])])),
  'gate-unknown-origin': gate('an item stands on known ones', update([block([behind([4711, 0], row('x'))])])),
  'gate-origin-in-itself': gate('an item stands on known ones', update([block([head('x'), behind([writer, 0], row('x'))])])),
  'gate-no-cell': gate('a cell is a clock and at most one value', update([block([head('x', any('text'))])])),
  'gate-empty-cell': gate('a cell is a clock and at most one value', update([block([head('x', any([]))])])),
  'gate-clock-no-number': gate('a clock is a positive safe integer', update([block([head('x', any(['1', {}]))])])),
  'gate-row-no-object': gate('a row is an object', update([block([head('x', any([clock, 5]))])])),
  'gate-clock-of-another-mutation': gate('cells carry the clock of their mutation', update([block([head('x', row('x', {}, clock + 1))])])),
  'gate-delete-unknown': gate('only known items are deleted', update([], [[4711, [[0, 1]]]])),
  'gate-delete-own-new': gate('only known items are deleted', update([block([head('x')])], [[writer, [[0, 1]]]])),
  'gate-delete-nothing': gate('deleted ranges are not empty', update([], [[writer, [[0, 0]]]]), { before: [first] }),
  'gate-delete-no-ranges': gate('deleted ranges are not empty', update([], [[writer, []]]), { before: [first] }),
  'gate-delete-twice': gate(
    ASCEND,
    update(
      [],
      [
        [
          writer,
          [
            [0, 1],
            [0, 1],
          ],
        ],
      ],
    ),
    { before: [first] },
  ),
  'gate-delete-client-twice': gate(
    'deleted ranges name each client once',
    update(
      [],
      [
        [writer, [[0, 1]]],
        [writer, [[0, 1]]],
      ],
    ),
    {
      before: [first],
    },
  ),
};

/** An attack as it stands in the corpus. */
export function writtenOf({ hazard, code, rule, before = [], greeting = {}, frames }) {
  const base64 = (bytes) => Buffer.from(bytes).toString('base64');
  return {
    hazard,
    code,
    rule,
    // Accepted first, each: what the attack stands on.
    before: before.map((frame) => base64(message(frame))),
    greeting: base64(message(hello(greeting))),
    message: base64(message(...frames)),
  };
}
