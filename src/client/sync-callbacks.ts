import { CotableError } from '../errors.ts';
import { checkEventName, checkEventVersion } from '../schema/events.ts';

/** What an app is called back with, before its types are known. */
export type UntypedEvent = { readonly room: string; readonly run: string } & (
  | { readonly status: 'success'; readonly serverOutput: unknown; readonly clientOutput: unknown }
  | { readonly status: 'stream'; readonly stream: unknown }
);
type Callback = (event: UntypedEvent) => void;

export interface Registration {
  readonly name: string;
  readonly version: string;
  readonly callback: Callback;
}

/** Who hears which event: for each name and version, one callback for all of it and one for its pieces. */
export interface Callbacks {
  add(kind: 'all' | 'pieces', registration: Registration): () => void;
  /** Whether anybody hears it: one look-up. */
  has(run: string): boolean;
  tell(event: UntypedEvent): void;
}

export function createCallbacks(call: (run: () => void) => void, added: () => void): Callbacks {
  const known = new Map<string, { all?: Callback | undefined; pieces?: Callback | undefined }>();

  return {
    add(kind, { name, version, callback }) {
      checkEventName(name);
      checkEventVersion(version);
      if (typeof callback !== 'function') throw new CotableError('sync.invalidCallback', { name });
      const key = `${name}/${version}`;
      // Its own object each time: the same function may be registered again.
      const mine: Callback = (event) => callback(event);
      known.set(key, { ...known.get(key), [kind]: mine });
      added();
      return () => {
        const now = known.get(key);
        if (now?.[kind] !== mine) return;
        const left = { ...now, [kind]: undefined };
        if (left.all ?? left.pieces) known.set(key, left);
        else known.delete(key);
      };
    },
    has: (run) => known.has(keyOf(run)),
    tell(event) {
      const { all, pieces } = known.get(keyOf(event.run)) ?? {};
      if (all) call(() => all(event));
      if (pieces && event.status === 'stream') call(() => pieces(event));
    },
  };
}

/** `name/version` of `name/version~...`. */
function keyOf(run: string): string {
  return run.slice(0, run.indexOf('~'));
}
