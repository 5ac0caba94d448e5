import { errorOf } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { createDeferred } from '../util/deferred.ts';
import type { Core } from './core.ts';
import type { ForeignMutation, PendingMutation } from './replica.ts';
import { toForeign, type StoredRequests } from './stored.ts';
import type { TabLine, TabMessage, TabSender } from './tab-line.ts';
import type { Verdict } from './verdicts.ts';

/** At the start others have so long to say that they are here; what those had pending who do not is taken over. */
const CENSUS_MS = 300;
/** Who does not answer for so long, while this tab could send what they have pending, is taken to be gone. */
const STALL_MS = 2_000;

export interface TabsEvents {
  /** These are this tab's to send from now on. Resolves when they are. */
  adopt(ids: ReadonlySet<string>): Promise<void>;
  /** So are these requests, of tabs that are gone; and the wish to cancel a run that the relay may know is anybody's to send. */
  adoptRequests(requests: StoredRequests): Promise<void>;
  /** Something is shown of others no more, though no entry came: what waited for it may be sent. */
  freed(): void;
}

/**
 * A tab among the tabs of its device: each is a whole replica with a writer, a link and an outbox of its own, and none
 * depends on another being awake. They tell each other what they have pending, so that all show it at once, and take over
 * what was pending in a tab that is gone. That one is mistaken for gone is harmless: who is to send what the disk decides,
 * and that it takes effect once the relay does.
 */
export interface Tabs {
  /** Looks who is there, and takes over from those who are not; requests too, of those who are `asking` on disk. Resolves when it is known what this tab has to send. */
  start(asking: Iterable<number>): Promise<void>;
  heard(message: TabMessage, sender: TabSender): void;
  /** These may be shown elsewhere. */
  announce(mutations: readonly PendingMutation[]): void;
  judged(verdicts: readonly Verdict[]): void;
  /** Whether this tab is level with the relay, so that it could send what others do not. */
  level(isLevel: boolean): void;
  close(): void;
}

export function createTabs(core: Core, line: TabLine, clock: Clock, events: TabsEvents): Tabs {
  /** Who was heard of and has not left, with their devices. */
  const others = new Map<number, string>();
  /** How many ticks ago an owner was asked and has not answered since. */
  const silent = new Map<number, number>();
  /** For how many ticks this tab has waited for an owner of whose mutations none was settled; and which it had pending then. */
  const stalled = new Map<number, { readonly ticks: number; readonly ids: ReadonlySet<string> }>();
  /** What an owner said last that it has pending. */
  const listed = new Map<number, ReadonlySet<string>>();
  /** Who has requests on disk that are theirs to send, and to take back. */
  let askers: ReadonlySet<number> = new Set();
  /** Mutations that were nowhere to be found at the last tick. */
  let missing = new Set<string>();
  const unannounced = new Map<string, PendingMutation>();
  let census: (() => void) | undefined;
  let isLevel = false;
  let cancelTick: (() => void) | undefined;

  const foreign = (): ForeignMutation[] => [...core.replica.foreign.values()];
  const owners = (): Set<number> => new Set([...foreign().map(({ owner }) => owner), ...askers]);
  const isMyDevice = (owner: number): boolean => (others.get(owner) ?? core.device.deviceId) === core.device.deviceId;

  function mine(mutations: Iterable<PendingMutation>): ForeignMutation[] {
    return [...mutations].filter(({ id }) => !core.disk.isUnstored(id)).map((mutation) => toForeign(mutation, core.replicaName));
  }

  function show(mutations: readonly ForeignMutation[]): void {
    core.show(mutations);
    if (mutations.some(({ id }) => core.replica.pending.has(id))) void readOutbox();
    watch();
  }

  /**
   * The last that was written says who has to send a mutation that two tabs hold to be theirs. What a tab wrote that was
   * gone before it could tell of it is found here too.
   */
  async function readOutbox(): Promise<readonly ForeignMutation[] | undefined> {
    const records = await core.disk.outbox();
    const { pending, foreign: known } = core.replica;
    const others = records?.filter(({ owner }) => owner !== core.replicaName) ?? [];
    if (others.some(({ id }) => pending.has(id))) core.stale();
    const unknown = others.filter(({ id }) => !pending.has(id) && !known.has(id));
    if (unknown.length > 0) core.show(unknown);
    return records;
  }

  function watch(): void {
    if (isLevel && owners().size > 0) cancelTick ??= clock.after(STALL_MS, tick);
  }

  function tick(): void {
    cancelTick?.();
    cancelTick = undefined;
    if (!isLevel) return;
    for (const owner of owners()) {
      silent.set(owner, (silent.get(owner) ?? -1) + 1);
      noteStall(owner);
      if (!isGone(owner)) line.send({ type: 'ask', of: owner });
    }
    void Promise.all([takeOver(isGone), takeRequests(isGone)]).then(watch);
  }

  /** An owner may be awake and not able to send; or two tabs wait for each other, each for what the other sends behind something. */
  function noteStall(owner: number): void {
    const [head] = core.replica.pending.values();
    const before = stalled.get(owner);
    const isMoving = [...(before?.ids ?? [])].some((id) => !core.replica.foreign.has(id));
    const isWaiting = head !== undefined && core.foreign.isWaiting(head);
    const ids = new Set(foreign().flatMap(({ id, owner: by }) => (by === owner ? id : [])));
    // Who has but requests holds up nothing.
    const isStalled = isWaiting && !isMoving && ids.size > 0;
    stalled.set(owner, { ticks: isStalled ? (before?.ticks ?? 0) + 1 : 0, ids });
  }

  /** Of several tabs that wait for the same owner one comes first. */
  function isGone(owner: number): boolean {
    const isFirst = [...others.keys()].every((other) => other === owner || other > core.replicaName);
    const patience = isFirst ? 1 : 2;
    return (silent.get(owner) ?? 0) >= patience || (stalled.get(owner)?.ticks ?? 0) > 2 * patience;
  }

  /** Takes over what nobody will send, and stops showing what is nowhere any more. */
  async function takeOver(isOver: (owner: number) => boolean): Promise<void> {
    // Who has just been found on disk is asked first.
    const known = new Set(core.replica.foreign.keys());
    const records = await readOutbox();
    if (!records && core.disk.isKept) return;
    // Who has lost its disk can take nothing over: others are to it as those of another device.
    const onDisk = records && new Set(records.map(({ id }) => id));
    const adopted = new Set<string>();
    const gone: string[] = [];
    const lacking = new Set<string>();
    for (const { id, owner } of foreign()) {
      if (!known.has(id)) continue;
      const isListed = listed.get(owner)?.has(id) ?? true;
      if (!onDisk || !isMyDevice(owner)) {
        // It was confirmed before this tab was told of it, perhaps: then no entry comes, and no record is here.
        if (isOver(owner) || (!isListed && missing.has(id))) gone.push(id);
        else if (!isListed) lacking.add(id);
      } else if (onDisk.has(id) && (isOver(owner) || (!isListed && missing.has(id)))) adopted.add(id);
      else if (!onDisk.has(id) && missing.has(id)) gone.push(id);
      else if (!onDisk.has(id) || !isListed) lacking.add(id);
    }
    missing = lacking;
    if (gone.length > 0) {
      core.foreign.withdrawn(gone);
      core.publish();
    }
    if (adopted.size > 0) await events.adopt(adopted);
    else if (gone.length > 0) events.freed();
  }

  async function takeRequests(isOver: (owner: number) => boolean): Promise<void> {
    const requests = await core.disk.requests();
    // What could not be read is looked for again.
    if (!requests && core.disk.isKept) return;
    const { calls, cancels } = requests ?? { calls: [], cancels: [] };
    const theirs = calls.filter(({ key }) => key.replica !== core.replicaName);
    const isOrphan = ({ key: { replica } }: (typeof theirs)[number]): boolean => !others.has(replica) || isOver(replica);
    const awaited = theirs.filter((call) => !isOrphan(call));
    // Of those that are gone too: somebody else may take over first, and be gone then.
    askers = new Set(theirs.map(({ key }) => key.replica));
    // The wish to cancel what another tab is to send is that tab's too.
    const wishes = cancels.filter((id) => !awaited.some(({ run }) => run === id));
    await events.adoptRequests({ calls: theirs.filter(isOrphan), cancels: wishes });
  }

  function sayHere(): void {
    line.send({ type: 'here', pending: mine(core.replica.pending.values()) });
  }

  function flush(): void {
    const mutations = mine([...unannounced.values()].filter(({ id }) => core.replica.pending.has(id)));
    unannounced.clear();
    if (mutations.length > 0 && others.size > 0) line.send({ type: 'pending', mutations });
  }

  function takeVerdict(verdict: Verdict): void {
    const mutation = core.replica.foreign.get(verdict.id);
    if ('seq' in verdict) core.foreign.accepted(verdict.id, verdict.seq);
    else {
      const error = errorOf(verdict.refused);
      if (core.replica.pending.has(verdict.id)) {
        // Taken over from this tab, while it was frozen perhaps.
        core.verdicts.reject(new Map([[verdict.id, error]]));
        return core.stale();
      }
      core.foreign.withdrawn([verdict.id]);
      if (mutation) core.verdicts.refusedElsewhere(mutation, error);
    }
  }

  return {
    async start(asking) {
      askers = new Set(asking);
      const counted = createDeferred<void>();
      const cancel = clock.after(CENSUS_MS, () => counted.resolve());
      census = () => [...owners()].every((owner) => others.has(owner)) && counted.resolve();
      line.send({ type: 'ask', of: undefined });
      census();
      await counted.promise;
      cancel();
      census = undefined;
      await takeOver((owner) => !others.has(owner));
      await takeRequests(() => false);
    },
    heard(message, { from, device }) {
      // What was made before anybody was heard of nobody was told.
      if (!others.has(from) && message.type !== 'ask' && message.type !== 'left' && core.replica.pending.size > 0) sayHere();
      others.set(from, device);
      silent.delete(from);
      switch (message.type) {
        case 'ask':
          if (message.of === undefined || message.of === core.replicaName) sayHere();
          break;
        case 'here':
          listed.set(from, new Set(message.pending.map(({ id }) => id)));
          show(message.pending);
          break;
        case 'pending':
          show(message.mutations);
          break;
        case 'judged':
          for (const verdict of message.verdicts) takeVerdict(verdict);
          core.foreign.sweep();
          core.publish();
          events.freed();
          break;
        case 'left':
          others.delete(from);
          listed.delete(from);
          silent.set(from, 0);
          // What it wrote last it told nobody, while it was closing: where nothing can be sent now, it is to be seen at least.
          if (isLevel) tick();
          else void readOutbox();
          break;
        case 'dismissed':
        case 'sync':
      }
      census?.();
    },
    announce(mutations) {
      if (others.size === 0) return;
      if (unannounced.size === 0) clock.soon(flush);
      for (const mutation of mutations) unannounced.set(mutation.id, mutation);
    },
    judged(verdicts) {
      if (others.size > 0) line.send({ type: 'judged', verdicts });
    },
    level(level) {
      isLevel = level;
      if (level && line.isWired) void Promise.all([readOutbox(), takeRequests(() => false)]).then(watch);
      else watch();
    },
    close() {
      cancelTick?.();
      line.send({ type: 'left' });
    },
  };
}
