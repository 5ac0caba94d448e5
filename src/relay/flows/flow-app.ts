import { encodeUtf8 } from 'lib0/string';
import { CotableError, errorOf } from '../../errors.ts';
import type { AnyAccess } from '../../access/access.ts';
import type { FlowItem, FlowPiece, FlowRequest } from '../../flows/events.ts';
import { heard } from '../../flows/heard.ts';
import { sessionAccess, sessionMutators, sessionSchema } from '../../flows/session.ts';
import { MAX_FRAME_BYTES } from '../../protocol/limits.ts';
import type { RunEnding, StoredRun } from '../../ports/run-storage.ts';
import type { MutatorContext } from '../../schema/mutators.ts';
import type { ActionShapes, AnySchema } from '../../schema/schema.ts';
import type { Validator } from '../../schema/validator.ts';
import type { ActionContext, AnyActionPolicy, SettledRun } from '../backend.ts';
import type { AnyHooks } from '../guard.ts';
import type { Platform } from '../platform.ts';
import type { RoomApp } from '../room-app.ts';
import { policyOf } from '../runs/policy.ts';
import type { AnyFlowAction, EndedRequest, FlowHooks, ServedFlow } from './define-flow.ts';
import type { FlowContext } from './flow-context.ts';
import { createItems } from './items.ts';
import { isOwner, kindOf, requestName } from './names.ts';

/** What an action of a flow is called as an action of its sessions: of all rooms, those of one name share limits. */
export function actionNameOf(kind: string, action: string): string {
  return `${kind}/${action}`;
}

/** The flows of a relay, by kind. Throws `schema.invalid` for two of one kind. */
export function flowsByKind(flows: readonly ServedFlow[]): ReadonlyMap<string, ServedFlow> {
  const byKind = new Map(flows.map((flow) => [flow.kind, flow]));
  if (byKind.size < flows.length) throw new CotableError('schema.invalid', { path: 'flows', problem: 'two flows are of one kind' });
  return byKind;
}

/**
 * The app of a room that is a session. One of a flow that is not served now is a session all the same: nothing runs there, and
 * its conversation stays as it is.
 */
export function sessionApps(flows: ReadonlyMap<string, ServedFlow>, session: AnySchema['session']): (room: string) => RoomApp | undefined {
  const apps = new Map([...flows].map(([kind, flow]) => [kind, appOf(flow, session)]));
  const idle: RoomApp = { schema: sessionSchema, mutators: sessionMutators, access: sessionAccess as AnyAccess, actions: {} };
  return (room) => {
    const kind = kindOf(room);
    return kind === undefined ? undefined : (apps.get(kind) ?? idle);
  };
}

/** A session belongs to who began it. Whether anybody else may do something there is for `authorize`: without it, nobody. */
export function sessionHooks(hooks: AnyHooks, flows: ReadonlyMap<string, ServedFlow>): AnyHooks {
  const { authorize } = hooks;
  return {
    ...hooks,
    authorize(session: { readonly userId: string }, room) {
      const isSession = flows.has(kindOf(room) ?? '');
      if (isSession && isOwner(room, session.userId)) return 'write';
      return authorize ? authorize(session as never, room) : isSession ? 'none' : 'write';
    },
  };
}

export function requestOf(kind: string, { room, id, name }: Pick<StoredRun, 'room' | 'id' | 'name'>): FlowRequest {
  return { id: requestName(room, id), flowKind: kind, actionName: name.slice(kind.length + 1), sessionId: room };
}

function appOf(flow: ServedFlow, session: AnySchema['session']): RoomApp {
  const { kind, mutators } = flow;
  const entries = Object.entries(flow.actions).map(([name, action]) => [actionNameOf(kind, name), action] as const);
  const schema: AnySchema = { ...flow.schema, session };
  const ofDoors: ActionShapes = Object.fromEntries(
    entries.map(([name, { inputSchema }]) => [name, { input: inputSchema, output: RESULT, stream: { kind: 'items', of: PIECE } }]),
  );
  return {
    schema,
    mutators,
    access: flow.access as AnyAccess,
    ofDoors,
    actions: Object.fromEntries(entries.map(([name, action]) => [name, policyOf(schema, name, toPolicy(flow, name, action))])),
  };
}

/** Anything: it is JSON, which the engine looks after. */
const PIECE: Validator<unknown> = { '~standard': { version: 1, vendor: 'cotable', validate: (value) => ({ value }) } };
/** The same, and nothing is `null`. */
const RESULT: Validator<unknown> = { '~standard': { version: 1, vendor: 'cotable', validate: (value) => ({ value: value ?? null }) } };

type Ctx = ActionContext<AnySchema, unknown, Platform, unknown>;

/** An action of a flow as one of its sessions: what surrounds its block. */
function toPolicy({ kind, hooks }: ServedFlow, name: string, action: AnyFlowAction): AnyActionPolicy {
  const { block, userMessage, retry = { attempts: 1 }, timeoutMs, concurrency } = action;

  async function run(ctx: Ctx, input: never): Promise<unknown> {
    const { room, runId } = ctx;
    const request = requestOf(kind, { room, id: runId, name });
    const table = ctx.table('items') as ReturnType<FlowContext['table']>;
    // What an earlier attempt has said is not said: for who reads rows now, for who reads events with the next piece.
    const stale = (await table.list()).flatMap((row) => (row.requestId === request.id ? [row.id] : []));
    while (stale.length > 0) await ctx.mutate('removeItems', stale.splice(0, MUTATION_ROWS));
    const items = createItems({
      requestId: request.id,
      run: runId,
      say: ctx.broadcastStream,
      keep: (item) => ctx.mutate('putItem', item),
    });
    ctx.broadcastStream({ type: 'request.in_progress', request } satisfies FlowPiece);
    try {
      if (userMessage) await items.add({ role: 'user', text: userMessage(input) }).done();
      const { userId, session, attempt, signal, step, idempotencyKey, platform } = ctx;
      const result = await block(input, {
        userId,
        session,
        attempt,
        signal,
        step,
        idempotencyKey,
        sessionId: room,
        requestId: request.id,
        platform: { call: (service, given) => platform.call(service, given as never) },
        table: () => table,
        addItem: items.add,
      });
      await items.finish();
      return result;
    } catch (error) {
      // What was said before is said whole, where the attempt is not over.
      if (!ctx.signal.aborted) items.flush();
      throw error;
    }
  }

  return {
    run,
    retry,
    timeoutMs,
    concurrency,
    onSettled: (ctx: MutatorContext<AnySchema>, ended: Settled) => closeItems(ctx as MutatorContext<typeof sessionSchema>, ended),
    onEnding: (stored: StoredRun, ending: RunEnding) => callHook(hooks, kind, stored, ending),
  };
}

type Settled = SettledRun<unknown, unknown, readonly FlowPiece[]>;

/** What one mutation may be takes so many rows, and so many bytes with what is written around each. */
const MUTATION_ROWS = 600;
const CLOSED_BYTES = MAX_FRAME_BYTES - 8 * 1024;
const AROUND_BYTES = 160;

/**
 * No item stays open behind its request: each gets the text that was said of it, whatever was in its row. One mutation does it, with
 * the end of the request: of texts that it has no room for, rows keep what they have, and the request ends as it did all the same.
 */
function closeItems(ctx: MutatorContext<typeof sessionSchema>, { id: run, said = [] }: Settled): void {
  const requestId = requestName(ctx.room, run);
  const table = ctx.table('items');
  const rows = table.list().filter((row) => row.requestId === requestId);
  const known = new Map<string, FlowItem>(rows.map((row) => [row.id, row]));
  for (const item of said.reduce(heard, [])) known.set(item.id, item);
  const open = [...known.values()].filter(({ status }) => status === 'in_progress');
  const closed = open.filter(({ id }) => table.has(id)).slice(0, MUTATION_ROWS);
  for (const { id } of closed) table.update(id, { status: 'incomplete' });
  let left = CLOSED_BYTES - closed.length * AROUND_BYTES;
  let at = table.list().reduce((last, row) => Math.max(last, row.at), ctx.now);
  for (const item of open) {
    const row = table.get(item.id);
    const now: FlowItem = { ...item, status: 'incomplete' };
    const was: Readonly<Record<string, unknown>> = row ?? {};
    const news = Object.entries(now).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(was[field]));
    const bytes = encodeUtf8(JSON.stringify(news)).length + news.length * AROUND_BYTES;
    if (bytes > left) continue;
    left -= bytes;
    at += 1;
    table.set(item.id, { ...now, at: row?.at ?? at });
  }
}

function callHook(hooks: FlowHooks, kind: string, stored: StoredRun, ending: RunEnding): void | Promise<void> {
  const request: EndedRequest = { ...requestOf(kind, stored), userId: stored.userId, input: JSON.parse(stored.input) as unknown };
  if (ending.status === 'succeeded') return hooks.onCompleted?.(request, JSON.parse(ending.output));
  if (ending.status === 'canceled') return hooks.onAborted?.(request);
  return hooks.onFailed?.(request, errorOf(ending.error));
}
