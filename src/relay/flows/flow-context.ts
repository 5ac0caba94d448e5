import type { FlowRole } from '../../flows/events.ts';
import type { FlowRow } from '../../flows/session.ts';
import type { JsonObject, JsonValue } from '../../util/json.ts';
import type { ActionTableReader } from '../action-table.ts';

/** What an action of a flow does: a function of its input, or a pipeline of them. */
export type Block<In, Out> = (input: In, ctx: FlowContext) => Out | Promise<Out>;

/** What a block works with, during one attempt of a request. */
export interface FlowContext {
  /** Who asked. */
  readonly userId: string;
  /** What `authenticate` said of who asked, as of then, as far as `session` of the backend's schema declares it. */
  readonly session: Readonly<{ userId: string }> & JsonObject;
  readonly sessionId: string;
  readonly requestId: string;
  /** 1 for the first, then higher with each: after an error, after a crash, after a redrive. */
  readonly attempt: number;
  /** The same in every attempt of this request, and of no other: to be handed to services that do a thing once for a key. */
  readonly idempotencyKey: string;
  /** Aborted when this attempt is over before it has ended, with the reason: `run.canceled`, `run.timeout`, `run.fenced` or `relay.closed`. */
  readonly signal: AbortSignal;
  /** Does a thing once for a request, as `ctx.step` of an action: all attempts get what it gave. */
  step<T>(key: string, fn: () => T | Promise<T>): Promise<T>;
  /** What the backend lets actions call outside: `platform` of the backend, called as `ctx.platform.call` of an action. */
  readonly platform: { call(service: string, input: unknown): Promise<unknown> };
  /** The conversation so far, items of other requests too. `list()` is ordered by key; `at` says which came first. */
  table(name: 'items'): ActionTableReader<FlowRow>;
  /**
   * Adds an item to the conversation, and says so to who listens: it has an id within the call. `text`: what it begins with.
   * Each attempt begins without the items of the one before; the first one of each has the same id, and so on. Throws `run.fenced` in an attempt that
   * is over, `value.notJson` and `stream.tooLarge`.
   */
  addItem(item: { readonly role: FlowRole; readonly text?: string; readonly parts?: readonly JsonValue[] }): ItemWriter;
}

/** An item that is being written. */
export interface ItemWriter {
  readonly id: string;
  /** Adds text. It leaves at once, or with what follows within 50 ms; the row follows twice a second. Throws as `addItem` does. */
  delta(text: string): void;
  /**
   * The item is whole; resolves when its row is kept. Items that a block leaves open are done when it returns, and
   * `incomplete` when the request fails or is aborted. Rejects with `run.fenced`, or as the storage does.
   */
  done(): Promise<void>;
}
