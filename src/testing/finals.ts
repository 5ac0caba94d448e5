import { jsonEquals, type JsonObject, type JsonValue } from '../util/json.ts';
import type { Device } from './device.ts';
import type { Ledger } from './ledger.ts';
import type { RunLedger } from './run-ledger.ts';
import { settle } from './settle.ts';
import { isEnded } from './watch-runs.ts';
import type { Tab, World } from './world.ts';

/** Without a way out all tabs of a device have told each other what they have pending after so long. */
const HUSH_MS = 20_000;

/** What must be true once nothing more goes wrong. Each lets that happen which is still under way, and rejects with what is not so. */
export interface Finals {
  /** Nobody reaches the relay: what a device has pending all its tabs show, those that were frozen too. */
  allShown(): Promise<void>;
  /** Everybody is level with nothing pending; all rows are those of the log, and nothing is lost. */
  allLevel(): Promise<void>;
}

export function createFinals(options: {
  readonly world: World;
  readonly ledger: Ledger;
  readonly runs: RunLedger;
  readonly tables: readonly string[];
  readonly devices: readonly Device[];
  readonly step: () => Promise<void>;
  readonly invariant: (tab: Tab) => void;
}): Finals {
  const { world, ledger, runs, tables, devices, step } = options;

  /** Runs that have not ended, or of which a store does not know that. */
  function openRuns(): string | undefined {
    const open = runs.open();
    if (open.length > 0) return `${open.join(', ')} have not ended`;
    const waiting = world.tabs.flatMap(({ party, store }) =>
      store.runs.filter(({ status }) => !isEnded(status)).map(({ id, status }) => `${party.name} shows ${id} as ${status}`),
    );
    return waiting.length > 0 ? waiting.join(', ') : undefined;
  }

  return {
    async allShown() {
      let end = world.schedule.now + HUSH_MS;
      while (world.schedule.now < end) {
        await step();
        // Who has just woken up still has to hear what was said.
        if (world.tabs.some(({ party }) => party.frozen)) end = Math.max(end, world.schedule.now + HUSH_MS);
      }
      const open = new Set(ledger.lost());
      for (const { party, device, store } of world.tabs) {
        const pending = (await device.outbox()).filter((id) => open.has(id)).length;
        if (store.status.pending < pending)
          throw new Error(`${party.name} knows of ${store.status.pending} of the ${pending} mutations that ${device.name} has pending`);
      }
    },
    async allLevel() {
      await settle(world, step, openRuns, runs.due);
      const lost = ledger.lost();
      if (lost.length > 0) throw new Error(`lost=${lost.length}: ${lost.join(', ')} were on a device's disk and are not in the log`);
      for (const tab of world.tabs) {
        for (const table of tables) {
          const found = Object.fromEntries(tab.store.table(table).entries()) as JsonValue;
          const expected = ledger.rows(table) as JsonValue;
          if (!jsonEquals(found, expected))
            throw new Error(`diverged: ${tab.party.name} differs from the log in ${table}: ${differences(found, expected)}`);
        }
        options.invariant(tab);
      }
      for (const device of devices) {
        const outbox = await device.outbox();
        if (outbox.length > 0) throw new Error(`the outbox of ${device.name} still holds ${outbox.join(', ')}, which were confirmed`);
      }
    },
  };
}

function differences(found: JsonValue, expected: JsonValue): string {
  const [a, b] = [found as JsonObject, expected as JsonObject];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !jsonEquals(a[key], b[key]));
  return keys
    .map((key) => `${key}: ${JSON.stringify(a[key])} for ${JSON.stringify(b[key])}`)
    .slice(0, 3)
    .join('; ');
}
