import { defer, distinctUntilChanged, filter, map, merge, of, Subject, type Observable } from 'rxjs';
import { CotableError } from '../errors.ts';
import type { JsonObject } from '../util/json.ts';
import { inTurn } from './in-turn.ts';
import type { TableChanges, TableState } from './table-state.ts';
import type { TableView } from './types.ts';

/** The tables an app holds. They stay the same while the replica behind them is replaced. */
export interface Tables {
  table(name: string): TableView<JsonObject>;
  /** Tells observers, each at most once, after all tables are written. */
  publish(changed: ReadonlyMap<string, TableChanges>): void;
  close(): void;
}

export function createTables(names: readonly string[], current: () => ReadonlyMap<string, TableState>): Tables {
  const subjects = new Map(names.map((name) => [name, new Subject<TableChanges>()]));
  const views = new Map([...subjects].map(([name, subject]) => [name, createView(subject, () => stateOf(name))]));

  function stateOf(name: string): TableState {
    const state = current().get(name);
    if (!state) throw new CotableError('schema.invalid', { path: `tables.${name}`, problem: 'there is no such table' });
    return state;
  }

  return {
    table(name) {
      const view = views.get(name);
      if (!view) throw new CotableError('schema.invalid', { path: `tables.${name}`, problem: 'there is no such table' });
      return view;
    },
    publish(changed) {
      inTurn(() => {
        for (const [name, changes] of changed) subjects.get(name)?.next(changes);
      });
    },
    close() {
      inTurn(() => {
        for (const subject of subjects.values()) subject.complete();
      });
    },
  };
}

function createView(changed$: Observable<TableChanges>, state: () => TableState): TableView<JsonObject> {
  /** The list of the entries it was made from: both stay the same while nothing changes. */
  let listed: { readonly from: ReturnType<TableState['rows']>; readonly rows: readonly JsonObject[] } | undefined;

  const view: TableView<JsonObject> = {
    get: (key) => state().row(key),
    has: (key) => state().row(key) !== undefined,
    entries: () => state().rows(),
    first: () => state().rows()[0]?.[1],
    count: () => state().rows().length,
    list() {
      const from = state().rows();
      if (listed?.from !== from) listed = { from, rows: Object.freeze(from.map(([, row]) => row)) };
      return listed.rows;
    },
    changes$: changed$.pipe(
      map(({ changes }) => changes),
      filter((changes) => changes.length > 0),
    ),
    rows$: defer(() => merge(of(undefined), changed$)).pipe(
      map(() => view.list()),
      distinctUntilChanged(),
    ),
    row$: (key) =>
      defer(() => merge(of(undefined), changed$.pipe(filter(({ touched }) => touched.has(key))))).pipe(
        map(() => ({ row: state().row(key), pending: state().isPending(key) })),
        distinctUntilChanged((a, b) => a.row === b.row && a.pending === b.pending),
      ),
  };
  return view;
}
