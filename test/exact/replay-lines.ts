import type { Line } from './line.ts';

const ids = 'test/exact/ids.test.ts';
const snapshot = 'test/exact/snapshot.test.ts';
const fence = 'test/exact/fence.test.ts';
const replay = 'test/exact/replay.test.ts';

/** What makes replays exact: ids, answers, fences, clocks and the order in which things run again. */
export const replayLines: readonly Line[] = [
  {
    claim: 'a mutation has one id, however often it runs',
    patches: [
      {
        file: 'src/store',
        from: 'const call = { key, id,',
        to: 'const call = { key: { ...key, counter: key.counter + 1000 }, id: id.replace(/\\d+$/, (n) => String(Number(n) + 1000)),',
      },
    ],
    test: [ids, '[EX1]'],
  },
  {
    claim: 'accepted ids are marked on the disk of the relay',
    patches: [{ file: 'src/relay', from: 'storage.outcomes(room, asked)', to: 'asked.map(() => undefined)' }],
    test: [ids, '[EX2]'],
  },
  {
    claim: 'refused ids are marked on the disk of the relay',
    patches: [{ file: 'src/relay', from: 'await storage.refuse(', to: 'void (' }],
    test: [ids, '[EX3]'],
  },
  {
    claim: 'a refusal is kept in its place behind what was accepted',
    patches: [{ file: 'src/relay', from: 'await commits.settled();\n        await storage.refuse(', to: 'await storage.refuse(' }],
    test: [ids, '[EX4]'],
  },
  {
    claim: 'a refusal is told when it is on disk',
    patches: [{ file: 'src/relay', from: '{ key }) {\n        await room.settled();', to: '{ key }) {' }],
    test: [ids, '[EX5]'],
  },
  {
    claim: 'a handshake lists what is pending',
    patches: [{ file: 'src/store', from: '...replica.pending.values(), ...replica.foreign', to: '...replica.foreign' }],
    test: [ids, '[EX6]'],
  },
  {
    claim: 'a handshake lists what was taken over',
    patches: [
      {
        file: 'src/store',
        from: '.map((mutation) => mutation.key)',
        to: '.map((mutation) => mutation.key).filter((key) => key.replica === replicaName)',
      },
    ],
    test: [ids, '[EX7]'],
  },
  {
    claim: 'a handshake lists what other tabs of the device have pending',
    patches: [{ file: 'src/store', from: ', ...replica.foreign.values()]', to: ']' }],
    test: [ids, '[EX8]'],
  },
  {
    claim: 'the relay answers for each listed id where it was accepted',
    patches: [{ file: 'src/relay', from: 'outcome ? [{ key, outcome }]', to: "outcome && 'refused' in outcome ? [{ key, outcome }]" }],
    test: [ids, '[EX9]'],
  },
  {
    claim: 'the relay answers for each listed id why it was refused',
    patches: [{ file: 'src/relay', from: 'outcome ? [{ key, outcome }]', to: "outcome && 'seq' in outcome ? [{ key, outcome }]" }],
    test: [ids, '[EX9]'],
  },
  {
    claim: 'what the relay has accepted leaves the outbox',
    patches: [{ file: 'src/store', from: 'accepted.push({ mutation, seq: outcome.seq });', to: 'void 0;' }],
    test: [snapshot, '[EX10]'],
  },
  {
    claim: 'the record of what a snapshot holds ends in its transaction',
    patches: [{ file: 'src/store', from: '[...accepted.map(({ mutation }) => mutation), ...over]', to: 'over' }],
    test: [snapshot, '[EX11]'],
  },
  {
    claim: 'so does that of another tab',
    patches: [{ file: 'src/store', from: '({ mutation }) => mutation), ...over]', to: '({ mutation }) => mutation)]' }],
    test: [snapshot, '[EX11]'],
  },
  {
    claim: 'the own former writer is fenced before anything is sent again',
    patches: [
      {
        file: 'src/store',
        from: 'former.delete(fresh.writer);',
        to: 'for (const each of [fresh.writer, state.replica.writer]) former.delete(each);',
      },
    ],
    test: [fence, '[EX12]'],
  },
  {
    claim: 'the writers of what was taken over are fenced before anything is sent again',
    patches: [
      {
        file: 'src/store',
        from: 'former.delete(fresh.writer);',
        to: 'for (const each of [...former]) if (each !== state.replica.writer) former.delete(each);',
      },
    ],
    test: [fence, '[EX12]'],
  },
  {
    claim: 'the relay fences whom a handshake names',
    patches: [{ file: 'src/relay', from: 'await room.writers.fence(', to: 'void (' }],
    test: [fence, '[EX13]'],
  },
  {
    claim: 'a fence is for ever',
    patches: [{ file: 'src/relay', from: 'await storage.fence(', to: 'void (' }],
    test: [fence, '[EX13]'],
  },
  {
    claim: 'a replay is given a new writer',
    patches: [{ file: 'src/store', from: '{ writer, last } : replica.writerStart', to: '{ writer, last } : { writer, last }' }],
    test: [fence, '[EX14]'],
  },
  {
    claim: 'a link is not written to by another writer than it has',
    patches: [{ file: 'src/store', from: 'if (core.replica.writer !== writer)', to: 'if (false)' }],
    test: [fence, '[EX14]'],
  },
  {
    claim: 'what throws in a replay at a start is kept',
    patches: [
      {
        file: 'src/store',
        from: 'writer: state.replica.writerStart, isFinal: false',
        to: 'writer: state.replica.writerStart, isFinal: true',
      },
    ],
    test: [replay, '[EX15]'],
  },
  {
    claim: 'so is what throws when a tab takes over',
    patches: [
      {
        file: 'src/store',
        from: '...back, ceiling: Number.MAX_SAFE_INTEGER, writer, isFinal: false',
        to: '...back, ceiling: Number.MAX_SAFE_INTEGER, writer, isFinal: true',
      },
    ],
    test: [replay, '[EX15]'],
  },
  {
    claim: 'what was kept so is judged after the handshake',
    patches: [{ file: 'src/store', from: '? writer : undefined, isFinal: true', to: '? writer : undefined, isFinal: false' }],
    test: [replay, '[EX16]'],
  },
  {
    claim: 'a mutation that runs again keeps its clock',
    patches: [{ file: 'src/store', from: 'Math.min(mutation.clock, ceiling)', to: 'Date.now() * 1024' }],
    test: [replay, '[EX17]'],
  },
  {
    claim: 'a clock is raised above the rows that were read',
    patches: [
      {
        file: 'src/mutation/overlay.js',
        from: 'for (const key of read.keys())\n                floor',
        to: 'for (const key of [])\n                floor',
      },
    ],
    test: [replay, '[EX18]'],
  },
  {
    claim: 'a clock is raised above the lists that were read',
    patches: [{ file: 'src/mutation/overlay.js', from: 'of listed ? listed.map(([key]) => key) : []', to: 'of []' }],
    test: [replay, '[EX18]'],
  },
  {
    claim: 'a clock is raised above what is pending on the device and written over',
    patches: [{ file: 'src/mutation/overlay.js', from: 'Math.max(floor, source.ownClock(key))', to: 'floor' }],
    test: [replay, '[EX19]'],
  },
  {
    claim: 'a field is not written where what stands is later',
    patches: [{ file: 'src/mutation/overlay.js', from: 'standing < clock &&', to: 'standing >= 0 &&' }],
    test: [replay, '[EX20]'],
  },
  {
    claim: 'a row is not written where what stands is later',
    patches: [{ file: 'src/mutation/overlay.js', from: 'if (rowClock >= clock)', to: 'if (rowClock < 0)' }],
    test: [replay, '[EX20]'],
  },
  {
    claim: 'a replay finds only what was made before',
    patches: [{ file: 'src/store', from: 'showUntil(mutation);', to: 'showUntil();' }],
    test: [replay, '[EX21]'],
  },
  {
    claim: 'a replay finds what other tabs made before',
    patches: [{ file: 'src/store', from: 'showUntil(mutation);', to: '' }],
    test: [replay, '[EX21]'],
  },
  {
    claim: 'what is built on something that came out the same does not run again',
    patches: [{ file: 'src/store', from: '!writesTheSame(before, mutation) &&', to: '' }],
    test: [replay, '[EX22]'],
  },
  {
    claim: 'what has not read the difference does not run again',
    patches: [{ file: 'src/store', from: '&& replica().isBasis(mutation.id)', to: '' }],
    test: [replay, '[EX22]'],
  },
  {
    claim: 'what is built on something that came out otherwise runs again',
    patches: [{ file: 'src/store', from: 'before && !writesTheSame', to: 'false && !writesTheSame' }],
    test: [replay, '[EX23]'],
  },
  {
    claim: 'a replay ends before the next one begins',
    patches: [{ file: 'src/store', from: 'serial(async () => {', to: '((run) => void run())(async () => {' }],
    test: [replay, '[EX24]'],
  },
  {
    claim: 'a writer is one user’s own',
    patches: [{ file: 'src/relay', from: 'state.fenced || state.owner !== userId)', to: 'state.fenced)' }],
    test: [fence, '[EX42]'],
  },
  {
    claim: 'a fenced writer is never claimed again',
    patches: [{ file: 'src/relay', from: 'state.fenced || state.owner !== userId)', to: 'state.owner !== userId)' }],
    test: [fence, '[EX13]'],
  },
  {
    claim: 'the mutations of a writer have no gap',
    patches: [{ file: 'src/relay', from: 'if (number !== state.last + 1)', to: 'if (false)' }],
    test: [fence, '[EX42]'],
  },
  {
    claim: 'a store does not lower what such a relay takes',
    patches: [{ file: 'src/store', from: 'Math.max(ceiling, confirmedClock + msToClock(CLOCK_STEP_MS))', to: 'ceiling' }],
    test: [replay, '[EX43]'],
  },
];
