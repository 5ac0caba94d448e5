/** Mistakes that could be in runs and streams; see `plantedBugs`. */
export const plantedInRuns = [
  {
    name: 'an attempt that is over goes on writing',
    patches: [
      { file: 'src/relay/runs/attempt.js', from: 'if (isOver || signal.aborted || abort.signal.aborted)', to: 'if (false)' },
      { file: 'adapters/memory/run-calls.js', from: '!found || found.ending || !found.lease || found.attempt !== attempt)', to: '!found)' },
    ],
    found: /is the present one|after its end|was taken from it/,
  },
  {
    name: 'what onSettled writes and the end of the run are two transactions',
    patches: [
      {
        file: 'src/relay/runs/attempt.js',
        from: 'const { seq } = await at.perform(',
        to: "await at.perform('apart', body, { userId: run.userId, id: `${run.id}/apart`, attempt: { ...name, ending: undefined } }); const { seq } = await at.perform(",
      },
      {
        file: 'src/relay/runs/attempt.js',
        from: 'return await perform(ending, (ctx) => told',
        to: 'return await perform(ending, (ctx) => told && ctx.mutationId.endsWith("/apart")',
      },
    ],
    found: /has ended 2 times|the row of .* shows|is to begin no more, and wrote/,
  },
  {
    name: 'who takes a run over does not fence the attempt before',
    isQuick: true,
    patches: [{ file: 'adapters/memory/run-calls.js', from: 'run.attempt += 1;', to: 'run.attempt += run.interruptions > 0 ? 0 : 1;' }],
    found: /attempt \d+ of .* came after/,
  },
  {
    name: 'a mutation that asks with a key gets a run of its own',
    isQuick: true,
    patches: [{ file: 'src/relay/runs/requests.js', from: "id: key === '' ? id : ", to: "id: key === '' || !id.includes('key:') ? id : " }],
    found: /was asked for, and never ended/,
  },
  {
    name: 'a lane has a slot more than its limit',
    patches: [
      { file: 'adapters/memory/run-calls.js', from: 'holders.length + ahead.length >= limit', to: 'holders.length + ahead.length > limit' },
    ],
    found: /are at work in the lane/,
  },
  {
    name: 'a cancel fences nobody',
    patches: [
      { file: 'src/relay/runs/runner.js', from: "entry.abort.abort(new CotableError('run.canceled', {}));", to: '' },
      {
        file: 'adapters/memory/run-calls.js',
        from: "parked: 'no', joins: undefined });\n        free(found);",
        to: "parked: 'no', joins: undefined });",
      },
    ],
    found: /was taken from it/,
  },
  {
    name: 'an attempt is given back before what it wrote is kept',
    patches: [{ file: 'src/relay/runs/execution.js', from: 'await place?.settled().catch(() => undefined);', to: '' }],
    found: /Another writer was at this room first/,
  },
  {
    name: 'a step is done in each attempt',
    isQuick: true,
    patches: [{ file: 'src/relay/runs/steps.js', from: 'if (kept !== undefined)', to: 'if (false)' }],
    found: /a step gave/,
  },
  {
    name: 'a run that has expired begins',
    patches: [{ file: 'src/relay/runs/execution.js', from: 'run.expiresAt > 0 && run.expiresAt <= clock.now()', to: 'false' }],
    found: /is to begin no more|was to begin no more/,
  },
  {
    name: 'a store is told of its run before that is kept',
    patches: [
      {
        file: 'src/relay/run-news.js',
        from: 'const stored = await storage.queueRun(name, asked);',
        to: "member.send(toFrame({ ...asked, status: 'queued', attempt: 0, seq: 0 }, true)); const stored = await storage.queueRun(name, asked);",
      },
    ],
    found: /was acknowledged, and is not kept/,
  },
  {
    name: 'everybody gets what is for some',
    isQuick: true,
    patches: [{ file: 'src/relay/stream-source.js', from: 'names ? names.has(viewer.userId) : but', to: 'names ? true : but' }],
    found: /which is no beginning of what it said/,
  },
  {
    name: 'the end of a stream is told behind the entry that it comes with',
    isQuick: true,
    patches: [
      { file: 'src/relay/hall.js', from: 'streams.due(room.commits.head);', to: '' },
      {
        file: 'src/relay/hall.js',
        from: 'for (const { acceptance } of group)',
        to: 'streams.due(room.commits.head); for (const { acceptance } of group)',
      },
    ],
    found: /the row of .* shows/,
  },
  {
    name: 'the end of a stream is told to those alone who were there',
    patches: [{ file: 'src/relay/streams.js', from: 'if (stored?.ending)', to: 'if (false)' }],
    found: /the row of .* shows/,
  },
  {
    name: 'who begins anew is not told to those who saw what went before',
    patches: [{ file: 'src/relay/viewers.js', from: 'if (behind.has(viewer) || !isShown)', to: 'if (true)' }],
    found: /which is no beginning of what it said|the row of .* shows|ends as/,
  },
];
