import type { Line } from './line.ts';

const ids = 'test/exact/ids.test.ts';
const tabs = 'test/exact/tabs.test.ts';

/** What makes tabs of one device safe and prompt. */
export const tabLines: readonly Line[] = [
  {
    claim: 'each tab has a writer of its own',
    patches: [{ file: 'src/relay', from: 'leaseWriter(room, userId, replica)', to: 'leaseWriter(room, userId, 7)' }],
    test: [tabs, '[EX25]'],
  },
  {
    claim: 'each tab names its mutations its own way',
    patches: [{ file: 'src/store', from: 'replicaName: randomName(random)', to: 'replicaName: 77' }],
    test: [tabs, '[EX25]'],
  },
  {
    claim: 'each tab puts what it makes on the disk of the device',
    patches: [{ file: 'src/store', from: 'disk.keep(mutation.id, { put: [record] })', to: 'disk.keep(mutation.id, {})' }],
    test: [tabs, '[EX26]'],
  },
  {
    claim: 'no tab waits for another to be awake',
    patches: [{ file: 'src/store', from: 'clock.after(CENSUS_MS, () => counted.resolve())', to: '() => undefined' }],
    test: [tabs, '[EX27]'],
  },
  {
    claim: 'what is pending is told to other tabs at once',
    patches: [{ file: 'src/store', from: 'tabs.announce(mutations);', to: '' }],
    test: [tabs, '[EX28]'],
  },
  {
    claim: 'other tabs are told of what is on disk only',
    patches: [{ file: 'src/store', from: '.filter(({ id }) => !core.disk.isUnstored(id))', to: '' }],
    test: [tabs, '[EX29]'],
  },
  {
    claim: 'what is not on disk is not sent',
    patches: [{ file: 'src/store', from: 'core.disk.isUnstored(item.id) ||', to: 'false ||' }],
    test: [tabs, '[EX29]'],
  },
  {
    claim: 'other tabs are told at once what was refused',
    patches: [{ file: 'src/store', from: "line.send({ type: 'judged', verdicts });", to: ';' }],
    test: [tabs, '[EX30]'],
  },
  {
    claim: 'also by a tab that did not make it',
    patches: [{ file: 'src/store', from: 'events.judged(refused.map(([{ id }, error]', to: 'void (refused.map(([{ id }, error]' }],
    test: [tabs, '[EX30]'],
  },
  {
    claim: 'which writes it down too',
    patches: [{ file: 'src/store', from: 'disk.write({ put, delete: refused', to: 'disk.write({}, { put, delete: refused' }],
    test: [tabs, '[EX30]'],
  },
  {
    claim: 'what was settled is not shown again when somebody announces it late',
    patches: [{ file: 'src/store', from: 'settled.has(mutation.id) ||', to: '' }],
    test: ['test/tabs/shown.test.ts', '[TB5]'],
  },
  {
    claim: 'a tab that gets level looks what is on disk',
    patches: [{ file: 'src/store', from: 'Promise.all([readOutbox(), takeRequests(() => false)]).then(watch)', to: 'watch()' }],
    test: [tabs, '[EX31]'],
  },
  {
    claim: 'what is on disk no longer is shown no longer',
    patches: [{ file: 'src/store', from: '!onDisk.has(id) && missing.has(id)', to: 'false' }],
    test: [tabs, '[EX32]'],
  },
  {
    claim: 'of two tabs that hold a mutation to be theirs each asks the disk',
    patches: [
      { file: 'src/store', from: 'core.replica.pending.has(id)))\n            void readOutbox();', to: 'core.replica.pending.has(id)));' },
    ],
    test: [tabs, '[EX33]'],
  },
  {
    claim: 'what was built on what another tab has pending waits for that',
    patches: [{ file: 'src/store', from: 'basis.size > 0 &&', to: 'false &&' }],
    test: ['test/tabs/send-rule.test.ts', '[TB8]'],
  },
  {
    claim: 'a record is taken over only as it was read',
    patches: [{ file: 'src/store', from: 'standing && !isMine(', to: 'false && !isMine(' }],
    test: [tabs, '[EX34]'],
  },
  {
    claim: 'a tab that opens takes over from those that do not answer',
    patches: [{ file: 'src/store', from: 'await takeOver((owner) => !others.has(owner));', to: '' }],
    test: [ids, '[EX7]'],
  },
  {
    claim: 'so does one that is level, after some silence',
    patches: [{ file: 'src/store', from: '(silent.get(owner) ?? 0) >= patience', to: 'false' }],
    test: [tabs, '[EX35]'],
  },
  {
    claim: 'and from those that get nothing accepted it waits for',
    patches: [{ file: 'src/store', from: '(stalled.get(owner)?.ticks ?? 0) > 2 * patience', to: 'false' }],
    test: [tabs, '[EX35]'],
  },
  {
    claim: 'a tab that wakes learns what became of what was taken over from it',
    patches: [
      { file: 'src/store', from: 'verdicts.reject(new Map(stored?.rejected', to: 'void (new Map(stored?.rejected' },
      { file: 'src/store', from: 'if (core.replica.pending.has(verdict.id)) {', to: 'if (false) {' },
    ],
    test: [tabs, '[EX36]'],
  },
  {
    claim: 'older code only reads when it hears of newer code',
    patches: [{ file: 'src/store', from: 'sender.schemaVersion > mine', to: 'false' }],
    test: [tabs, '[EX37]'],
  },
  {
    claim: 'older code only reads where newer code was',
    patches: [{ file: 'src/store', from: 'if (stored.device.schemaVersion > schema.schemaVersion)', to: 'if (false)' }],
    test: [tabs, '[EX37]'],
  },
  {
    claim: 'the database says the version of the newest code',
    patches: [{ file: 'src/store', from: '{ ...stored.device, schemaVersion }', to: 'stored.device' }],
    test: [tabs, '[EX37]'],
  },
  {
    claim: 'without a relay a tab asks for what it lacks',
    patches: [{ file: 'src/store', from: 'send(questions(), true);', to: '' }],
    test: [tabs, '[EX38]'],
  },
  {
    claim: 'without a relay a tab asks one that greets for what it has',
    patches: [{ file: 'src/store', from: 'message.isGreeting ? questions() : []', to: '[]' }],
    test: [tabs, '[EX38]'],
  },
  {
    claim: 'without a relay the device confirms',
    patches: [{ file: 'src/store/own-authority.js', from: 'core.verdicts.confirmed(id)', to: 'void id' }],
    test: [tabs, '[EX38]'],
  },
  {
    claim: 'what another tab has pending is in no document of this one',
    patches: [
      {
        file: 'src/store',
        from: 'tables.get(table)?.addPending(mutation, effect);',
        to: '(tables.get(table)?.addPending(mutation, effect), tables.get(table)?.doc.write(effect));',
      },
    ],
    test: [tabs, '[EX41]'],
  },
  {
    claim: 'without a relay a tab says what it has, so that it is not told again',
    patches: [
      { file: 'src/doc/table-sync.js', from: 'sync.writeSyncStep1(encoder, doc)', to: 'sync.writeSyncStep1(encoder, new Y.Doc())' },
    ],
    test: [tabs, '[EX38]'],
  },
  {
    claim: 'tabs of one user alone hear each other',
    patches: [{ file: 'src/store/store.js', from: "`${encodeURIComponent(parts.userId ?? '')}/", to: '`/' }],
    test: ['test/tabs/shown.test.ts', '[TB7]'],
  },
];
