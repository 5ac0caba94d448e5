import type { FlowItem, FlowPiece } from '../../flows/events.ts';
import { quiet } from '../../util/deferred.ts';
import { createStreamThrottle } from '../stream-throttle.ts';
import type { FlowContext, ItemWriter } from './flow-context.ts';

/** How often the row of an item follows what is said of it. */
const ROW_EVERY_MS = 500;

/** The items that one attempt of a request adds. */
export interface Items {
  readonly add: FlowContext['addItem'];
  /** The block has returned: what it left open is done. Rejects when a row could not be kept. */
  finish(): Promise<void>;
  /** The block has thrown: what waits is said. Throws in an attempt that is over. */
  flush(): void;
}

export function createItems(options: {
  readonly requestId: string;
  /** Of the run: what the items are named by. */
  readonly run: string;
  readonly say: (piece: FlowPiece) => void;
  /** Keeps the row of an item. */
  readonly keep: (item: FlowItem) => Promise<unknown>;
}): Items {
  const { requestId, run, say, keep } = options;
  const writers: { readonly done: () => Promise<void>; readonly flush: () => void }[] = [];

  function add({ role, text = '', parts }: Parameters<FlowContext['addItem']>[0]): ItemWriter {
    const id = `${run}.${writers.length + 1}`;
    let item: FlowItem = { id, requestId, role, text, status: 'in_progress', ...(parts && { parts }) };
    let said = text.length;
    let done: Promise<void> | undefined;
    const pieces = createStreamThrottle({ field: false });
    /** Paces the rows: what it joins is of no interest. */
    const rows = createStreamThrottle({ field: false, flushEveryMs: ROW_EVERY_MS, flushAtChars: Infinity });
    let kept: Promise<unknown> = Promise.resolve();
    let isKeeping = false;

    let written: FlowItem | undefined;
    /** One row is written after the other, always as it stands then: what is added and done at once is written once. */
    const write = (): Promise<unknown> => {
      kept = kept.then(() => {
        if (written === item) return undefined;
        written = item;
        return keep(item);
      });
      // Who awaits it hears of it: at the end at the latest.
      kept.catch(() => undefined);
      return kept;
    };
    const follow = (): void => {
      if (isKeeping) return;
      isKeeping = true;
      const over = (): void => void (isKeeping = false);
      write().then(over, over);
    };
    const emit = (delta: string): void => {
      say({ type: 'content.delta', itemId: id, offset: said, delta });
      said += delta.length;
    };

    say({ type: 'item.added', item });
    void write();
    if (text !== '') say({ type: 'content.added', itemId: id });
    const finish = async (): Promise<void> => {
      rows.reset();
      pieces.flush(emit);
      item = { ...item, status: 'done' };
      if (item.text !== '') say({ type: 'content.done', itemId: id });
      // An item is done for everybody once its row is kept.
      await write();
      say({ type: 'item.done', item });
    };
    const writer: ItemWriter = {
      id,
      delta(more) {
        if (done) throw new TypeError(`item ${id} is done: nothing can be added to it`);
        if (more === '') return;
        if (item.text === '') say({ type: 'content.added', itemId: id });
        item = { ...item, text: item.text + more };
        pieces.push(more, emit);
        rows.push(more, follow);
      },
      done: () => (done ??= quiet(finish())),
    };
    writers.push({ done: writer.done, flush: () => pieces.flush(emit) });
    return writer;
  }

  return {
    add,
    async finish() {
      for (const { done } of writers) await done();
    },
    flush() {
      for (const { flush } of writers) flush();
    },
  };
}
