import type { RelayStorage } from '../../src/ports/relay-storage.ts';
import type { DriverName } from './driver.ts';
import type { PostedError } from './storage-error.ts';

/** What the worker is started with. */
export interface WorkerSetup {
  /** An absolute path, or `:memory:`. */
  readonly file: string;
  readonly driver: DriverName;
  readonly busyTimeoutMs: number;
}

/** The calls of the port that the worker answers. */
export type Method = Exclude<keyof RelayStorage, 'description' | 'owner' | 'close'>;
export type Arguments<M extends Method> = Parameters<RelayStorage[M]>;
export type Result<M extends Method> = Awaited<ReturnType<RelayStorage[M]>>;

/** To the worker, in the order of the calls. `close` is the last. */
export type Request = { readonly [M in Method]: { readonly id: number; readonly method: M; readonly args: Arguments<M> } }[Method];
export type Message = Request | 'close';

/** From the worker, one list for each commit: the calls in it, in order. */
export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PostedError };
