import type { Line } from './line.ts';

const fold = 'test/property/fold-oracle.test.ts';

/** What the fold is, and which clocks there are. */
export const foldLines: readonly Line[] = [
  {
    claim: 'of equal clocks the value accepted first stays',
    patches: [{ file: 'src/doc/fold.js', from: 'incoming[0] > standing[0]', to: 'incoming[0] >= standing[0]' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'a delete takes the edits with it, later ones too',
    patches: [
      {
        file: 'src/doc/fold.js',
        from: 'before : { row, fields: NO_FIELDS }',
        to: 'before : { row, fields: before?.fields ?? NO_FIELDS }',
      },
    ],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'what comes for a deleted row later is lost',
    patches: [{ file: 'src/doc/fold.js', from: 'if (row.length === 1)', to: 'if (row.length === 1 && writes.row)' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'a cell without a row is nothing',
    patches: [{ file: 'src/doc/fold.js', from: 'return undefined;', to: 'return { row: [1, {}], fields: writes.fields };' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'a late creation does not bring back what was deleted after it',
    patches: [
      {
        file: 'src/doc/fold.js',
        from: 'const row = later(before?.row, writes.row);',
        to: 'const row = before?.row.length === 1 && writes.row ? writes.row : later(before?.row, writes.row);',
      },
    ],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'a row made anew has nothing of the old one',
    patches: [{ file: 'src/doc/fold.js', from: 'if (cell[0] > row[0])', to: 'if (cell)' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'but what is later than it',
    patches: [{ file: 'src/doc/fold.js', from: 'if (cell[0] > row[0])', to: 'if (!cell)' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'an edit that is older than its row is nothing',
    patches: [{ file: 'src/doc/fold.js', from: 'cell[0] <= row[0] ||', to: '' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'the documents of the relay are made equal to the fold',
    patches: [{ file: 'src/relay', from: 'return repairs.size > 0 ? doc.write(repairs) : undefined;', to: 'return undefined;' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'no clock is far ahead of the relay',
    patches: [{ file: 'src/relay/room.js', from: 'if (frame.clock > ceiling)', to: 'if (false)' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'a relay whose clock steps back takes what is a step above the highest it has',
    patches: [{ file: 'src/relay/room.js', from: 'highestClock + msToClock(CLOCK_STEP_MS)', to: '0' }],
    test: [fold, '[FO1]'],
  },
  {
    claim: 'though it has started anew',
    patches: [{ file: 'src/relay/room.js', from: 'Math.max(readClock,', to: 'Math.max(0,' }],
    test: [fold, '[FO1]'],
  },
];
