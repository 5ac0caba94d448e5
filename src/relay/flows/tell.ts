import { CotableError, errorOf } from '../../errors.ts';
import type { FlowEvent, FlowItem, FlowPiece, FlowRequest, FlowStatus } from '../../flows/events.ts';
import { inOrder, type FlowRow } from '../../flows/session.ts';
import type { StoredRun } from '../../ports/run-storage.ts';
import { forStrangers } from '../for-strangers.ts';
import type { RunDesk } from '../run-desk.ts';
import type { Addressee } from '../stream-source.ts';
import { requestOf } from './flow-app.ts';

/** Behind which event somebody goes on: so many pieces of an attempt, or its end. Attempt 0: only that the request is kept. */
export interface Place {
  readonly attempt: number;
  readonly offset: number;
  readonly isEnd: boolean;
}

/** The id of an event, read again. What is none is nowhere: who shows it gets all. */
export function placeOfId(id: string | undefined): Place | undefined {
  const [, attempt, offset] = /^(\d{1,15})\.(\d{1,15}|end)$/.exec(id ?? '') ?? [];
  if (attempt === undefined || offset === undefined) return undefined;
  return { attempt: Number(attempt), offset: offset === 'end' ? 0 : Number(offset), isEnd: offset === 'end' };
}

/** How a request stands. */
export function standOf({ ending }: StoredRun): FlowStatus {
  if (!ending) return 'in_progress';
  return ending.status === 'succeeded' ? 'completed' : ending.status === 'canceled' ? 'aborted' : 'failed';
}

/** The last event of a request that has ended. */
export function lastEvent(kind: string, run: StoredRun): FlowEvent | undefined {
  const { ending, attempt } = run;
  const request = requestOf(kind, run);
  const id = `${attempt}.end`;
  if (!ending) return undefined;
  if (ending.status === 'succeeded') return { id, type: 'request.completed', request, result: JSON.parse(ending.output) };
  if (ending.status === 'canceled') return { id, type: 'request.aborted', request };
  return { id, type: 'request.failed', request, error: forStrangers(errorOf(ending.error)).toJSON() };
}

/**
 * The events of a request behind a place, to its last one: a reading of the run's stream, which the relay keeps anyway, and what
 * the rows hold of items that were left open. Of a stream that is gone it is told anew what the rows hold. Ends without a last event when the relay cannot tell it now: who
 * comes back goes on. Throws as `desk.read` does.
 */
export async function* tell(
  desk: RunDesk,
  kind: string,
  { room, id: run }: StoredRun,
  reader: Addressee,
  from: Place | undefined,
  signal: AbortSignal,
): AsyncGenerator<FlowEvent, void, undefined> {
  const request = requestOf(kind, await found(desk, room, run));
  if (!from) yield { id: '0.0', type: 'request.created', request };
  let { attempt, offset } = from ?? { attempt: 0, offset: 0 };
  let isAll = true;
  for await (const news of desk.read({ room, run, kind: 'items' }, reader, { attempt, offset }, signal)) {
    if (news.type === 'began') {
      ({ attempt } = news);
      offset = 0;
    } else if (news.type === 'said') {
      for (const [index, piece] of (news.pieces as readonly FlowPiece[]).entries()) {
        offset = news.offset + index + 1;
        yield { id: `${attempt}.${offset}`, ...piece };
      }
    } else {
      isAll = news.type === 'ended' && news.isAll;
      break;
    }
  }
  const last = lastEvent(kind, await found(desk, room, run));
  if (!last) return;
  const items = await itemsOf(desk, request);
  // Who breaks off within is told all of it again.
  const id = isAll ? `${attempt}.${offset}` : '0.0';
  if (isAll) {
    for (const item of items) if (item.status === 'incomplete') yield { id, type: 'item.updated', item };
  } else {
    if (attempt > 0) yield { id, type: 'request.in_progress', request };
    for (const item of items) for (const type of ['item.added', 'item.done'] as const) yield { id, type, item };
  }
  yield last;
}

async function itemsOf(desk: RunDesk, { id, sessionId }: FlowRequest): Promise<readonly FlowItem[]> {
  const rows = (await desk.rows(sessionId, 'items')) as readonly FlowRow[];
  return inOrder(rows.filter(({ requestId }) => requestId === id)).map(toItem);
}

function toItem({ at: _, ...item }: FlowRow): FlowItem {
  return item;
}

async function found(desk: RunDesk, room: string, run: string): Promise<StoredRun> {
  const stored = await desk.find(room, run);
  if (!stored) throw new CotableError('run.notFound', { run });
  return stored;
}
