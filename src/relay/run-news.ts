import { CotableError, isCotableError } from '../errors.ts';
import { checkAction, checkKey } from '../mutation/enqueue.ts';
import { isDirectRunId } from '../mutation/run-id.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { QueuedRun, RunRequest, StoredRun } from '../ports/run-storage.ts';
import type { CallFrame, RunFrame } from '../protocol/frames.ts';
import { parseJson } from '../protocol/json.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { Member } from './member.ts';
import { isDeclarable } from './room-app.ts';
import type { RunRequests } from './runs/requests.ts';

/** What links may have done with runs. */
export interface RunDoor {
  readonly requests: RunRequests;
  queued(run: StoredRun): void;
  cancel(room: string, run: string, userId: string): Promise<StoredRun>;
  /** A mutation that cancels a run is kept. */
  canceled(room: string, run: string): Promise<void>;
}

/** What the links of one room ask and hear of runs: their user's own, and of no other. */
export interface RunNews {
  /** Tells a link that is level of its user's runs that have not ended, and from then on of every change. */
  level(member: Member): Promise<void>;
  leave(member: Member): void;
  /** Queues a run once, as soon as `settled` says that all before it is kept; whoever asks again hears how it stands. */
  call(member: Member, frame: CallFrame, settled: () => Promise<void>): Promise<void>;
  ask(member: Member, run: string): Promise<void>;
  cancel(member: Member, run: string): Promise<void>;
  /** What a mutation asked for is kept. */
  kept(requests: readonly RunRequest[]): void;
  /** How a run stands has changed. `isNew`: it was queued. */
  changed(run: StoredRun, isNew: boolean): void;
}

/** Open runs are told of in pages: no more of them is in memory. */
const PAGE = 50;

export function createRunNews(
  name: string,
  {
    schema,
    storage,
    door,
    failed,
  }: {
    readonly schema: AnySchema;
    readonly storage: RelayStorage;
    readonly door: RunDoor;
    readonly failed: (run: string, error: unknown) => void;
  },
): RunNews {
  /** Every link that is told, with what waits until it knows what there is. */
  const told = new Map<Member, RunFrame[] | undefined>();

  function tell(member: Member, frame: RunFrame): void {
    const waiting = told.get(member);
    if (waiting) waiting.push(frame);
    else member.send(frame);
  }

  function tellAll(run: StoredRun, isNew: boolean, but?: Member): void {
    // What a door asks for is told of by that door.
    if (!isDeclarable(run.name)) return;
    let frame: RunFrame | undefined;
    for (const member of told.keys()) {
      if (member.userId !== run.userId || member === but) continue;
      frame ??= toFrame(run, isNew);
      tell(member, frame);
    }
  }

  /** How a run stands, to one who has asked. A link that is not level hears of an end when it is. */
  function answer(member: Member, run: StoredRun): void {
    if (run.ending && !told.has(member)) told.set(member, []);
    tell(member, toFrame(run, true));
  }

  async function find(member: Member, run: string): Promise<StoredRun | undefined> {
    const stored = await storage.run(name, run);
    if (stored?.userId === member.userId && isDeclarable(stored.name)) return stored;
    member.send(refused(run, '', new CotableError('run.notFound', { run })));
    return undefined;
  }

  /** Of a mutation's keyed run it is not known yet whether it is a new one. */
  async function keptOnce(request: QueuedRun, digest: string): Promise<void> {
    const stored = await storage.run(name, request.id);
    if (!stored) return;
    if (stored.digest !== digest) {
      failed(stored.id, new CotableError('action.idempotencyMismatch', { name: stored.name, key: stored.id }));
    }
    if (stored.ending) return;
    if (stored.attempt === 0) tellAll(stored, true);
    door.queued(stored);
  }

  return {
    async level(member) {
      const waiting = told.get(member) ?? [];
      told.set(member, waiting);
      let after: number | undefined;
      do {
        const filter = { room: name, userId: member.userId, statuses: ['queued', 'running', 'waiting'] as const };
        const { runs, next } = await storage.listRuns(filter, after, PAGE);
        for (const run of runs) if (isDeclarable(run.name)) member.send(toFrame(run, true));
        if (next !== undefined) await member.drained();
        after = next;
      } while (after !== undefined);
      for (const frame of waiting) member.send(frame);
      if (told.has(member)) told.set(member, undefined);
    },

    leave: (member) => void told.delete(member),

    async call(member, frame, settled) {
      const { run: id, name: action, key, expiresAt } = frame;
      if (key === '' && !isDirectRunId(id)) throw new CotableError('protocol.gateRefused', { rule: 'a run is named by who asks for it' });
      try {
        if (member.isReader) throw new CotableError('auth.forbidden', { room: name });
        const input = JSON.stringify(checkAction(schema, action, parseJson(frame.input)));
        if (key !== '') checkKey(action, key);
        const caller = { userId: member.userId, session: member.session, room: name };
        const asked = door.requests.toRun({ id, name: action, input, key, notBefore: 0, expiresAt }, caller);
        // What the store wrote before it asked is kept before the run can begin.
        await settled();
        const stored = await storage.queueRun(name, asked);
        if (stored.userId !== member.userId) throw new CotableError('protocol.gateRefused', { rule: 'a run belongs to who asked for it' });
        if (stored.digest !== asked.once?.digest) throw new CotableError('action.idempotencyMismatch', { name: action, key });
        answer(member, stored);
        if (stored.ending) return;
        if (stored.attempt === 0) tellAll(stored, true, member);
        door.queued(stored);
      } catch (error) {
        // A reader, a page of another version, or a key that was used: that one call has failed, and the link is fine.
        const isOwn = isCotableError(error) && /^(action|auth|run|value)\./.test(error.code);
        if (!isOwn) throw error;
        member.send(refused(id, action, error));
      }
    },

    async ask(member, run) {
      const stored = await find(member, run);
      if (stored) answer(member, stored);
    },

    async cancel(member, run) {
      const stored = await find(member, run);
      if (!stored) return;
      if (member.isReader) return member.send(refused(run, stored.name, new CotableError('auth.forbidden', { room: name })));
      try {
        answer(member, stored.ending ? stored : await door.cancel(name, run, member.userId));
      } catch (error) {
        if (!isCotableError(error, 'run.terminal')) throw error;
        const now = await find(member, run);
        if (now) answer(member, now);
      }
    },

    kept(requests) {
      for (const request of requests) {
        if ('cancel' in request) void door.canceled(name, request.cancel);
        else if (request.once) keptOnce(request, request.once.digest).catch((error: unknown) => failed(request.id, error));
        else {
          const run = asStored(name, request);
          tellAll(run, true);
          door.queued(run);
        }
      }
    },

    changed: tellAll,
  };
}

/** A run that has just been queued, as it lies on disk. */
function asStored(room: string, { once: _, ...run }: QueuedRun): StoredRun {
  return {
    expiresAt: 0,
    lane: undefined,
    session: undefined,
    notBefore: run.queuedAt,
    ...run,
    room,
    status: 'queued',
    digest: undefined,
    attempt: 0,
    tries: 0,
    interruptions: 0,
    isCanceled: false,
    error: undefined,
    ending: undefined,
    endedAt: 0,
    seq: 0,
  };
}

function toFrame({ id: run, name, status, attempt, ending, seq, input }: StoredRun, withInput: boolean): RunFrame {
  return { type: 'run', run, name, status, attempt, ending, seq, input: withInput ? input : '' };
}

/** What was asked has failed; of the run, if there is one, nothing is said. */
function refused(run: string, name: string, { code, params }: CotableError): RunFrame {
  return { type: 'run', run, name, status: 'failed', attempt: 0, ending: { status: 'failed', error: { code, params } }, seq: 0, input: '' };
}
