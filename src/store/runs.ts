import { BehaviorSubject } from 'rxjs';
import { CotableError, errorOf } from '../errors.ts';
import { checkAction } from '../mutation/enqueue.ts';
import type { CallFrame, RunFrame } from '../protocol/frames.ts';
import { MAX_FRAME_BYTES } from '../protocol/limits.ts';
import type { AnySchema } from '../schema/schema.ts';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import type { RunHandle, RunStatus } from './types.ts';

/** The runs that this store has asked for and that have not ended. */
export interface Runs {
  /** Asks for a run: behind every mutation made before. Throws what is wrong with the input. */
  call(id: string, name: string, input: unknown): RunHandle<unknown>;
  /** What to ask again on a new link. */
  unfinished(): readonly CallFrame[];
  /** Whether the relay may not have heard of a run that was asked for here. */
  isUnheard(id: string): boolean;
  /** Takes what the relay says of a run. */
  hear(frame: RunFrame): void;
  close(): void;
}

interface OpenRun {
  readonly frame: CallFrame;
  readonly accepted: Deferred<void>;
  readonly result: Deferred<unknown>;
  readonly status: BehaviorSubject<RunStatus>;
}

/** `send` is left out where there is no relay to run anything. */
export function createRuns(schema: AnySchema, send: ((frame: CallFrame) => void) | undefined): Runs {
  const open = new Map<string, OpenRun>();
  let isClosed = false;

  return {
    call(id, name, input) {
      if (isClosed) throw new CotableError('store.closed', {});
      const frame: CallFrame = {
        type: 'call',
        run: id,
        name,
        input: JSON.stringify(checkAction(schema, name, input)),
        key: '',
        expiresAt: 0,
      };
      // Three bytes are the most that a code unit takes.
      const bytes = frame.input.length * 3;
      if (bytes > MAX_FRAME_BYTES) throw new CotableError('protocol.frameTooLarge', { bytes, limit: MAX_FRAME_BYTES });
      const run: OpenRun = {
        frame,
        accepted: createDeferred(),
        result: createDeferred(),
        status: new BehaviorSubject<RunStatus>('pending'),
      };
      if (send) {
        open.set(id, run);
        send(frame);
      } else {
        end(run, 'failed');
        const reason = new CotableError('action.offline', { name });
        run.accepted.reject(reason);
        run.result.reject(reason);
      }
      return toHandle(id, run);
    },
    unfinished: () => [...open.values()].map(({ frame }) => frame),
    isUnheard: (id) => open.get(id)?.status.value === 'pending',
    hear({ run: id, status, ending }) {
      const run = open.get(id);
      if (!run) return;
      run.accepted.resolve();
      if (!ending) {
        if (run.status.value !== status) run.status.next(status);
        return;
      }
      open.delete(id);
      end(run, ending.status);
      if (ending.status === 'succeeded') run.result.resolve(JSON.parse(ending.output));
      else run.result.reject(errorOf(ending.error));
    },
    close() {
      isClosed = true;
      for (const { accepted, result, status } of open.values()) {
        accepted.reject(new CotableError('store.closed', {}));
        result.reject(new CotableError('store.closed', {}));
        status.complete();
      }
    },
  };
}

function end({ status }: OpenRun, ending: RunStatus): void {
  status.next(ending);
  status.complete();
}

function toHandle(id: string, { accepted, result, status }: OpenRun): RunHandle<unknown> {
  return {
    id,
    accepted: accepted.promise,
    result: result.promise,
    get status() {
      return status.value;
    },
    status$: status.asObservable(),
    // oxlint-disable-next-line unicorn/no-thenable -- a handle stands for its result: `await store.action.x(input)`
    then: (done, failed) => result.promise.then(done, failed),
  };
}
