import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineMutators, defineSchema, table } from 'cotable';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, type BackendConfig, type Relay, type RelayOptions } from 'cotable/relay';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { enter, type EnterOptions, type EventLink } from './link.ts';

export const schema = defineSchema({
  schemaVersion: 1,
  tables: { notes: { schema: table(z.object({ text: z.string(), by: z.string() })) } },
  mutators: { write: { input: z.object({ id: z.string(), text: z.string() }) } },
  actions: { later: { input: z.object({ id: z.string() }), output: z.object({ ok: z.boolean() }) } },
  session: z.object({ role: z.enum(['member', 'guest']).default('member') }),
});
export type S = typeof schema;

const mutators = defineMutators<S>({ write: (ctx, { id, text }) => ctx.table('notes').set(id, { text, by: ctx.userId }) });

/** What is logged, beside the rest. */
export interface Logged {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface Scene {
  readonly url: string;
  readonly http: string;
  readonly relay: Relay<S>;
  readonly logged: readonly Logged[];
  enter(userId: string, options?: EnterOptions): Promise<EventLink>;
}

/** A temporary folder that goes with the test. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cotable-events-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A relay with these events on a port of its own, with SQLite. `backend` may say more. */
export async function scene(
  events: BackendConfig<S>['events'],
  { file, ...options }: Partial<BackendConfig<S>> & Pick<Partial<RelayOptions<S>>, 'limits'> & { readonly file?: string } = {},
): Promise<Scene> {
  const { limits, ...backend } = options;
  const logged: Logged[] = [];
  const log = (level: Logged['level']) => (fields: Logged['fields'], message: string) => void logged.push({ level, fields, message });
  const relay = createRelay<S>({
    backend: { schema, mutators, actions: { later: async () => ({ ok: true }) }, events, rateLimiting: false, ...backend },
    storage: sqlite(file ?? join(await folder(), 'data.db')),
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
    ...(limits && { limits }),
  });
  onTestFinished(() => relay.close({ graceMs: 0 }));
  const { url } = await relay.listen();
  return { url, http: url.replace('ws:', 'http:'), relay, logged, enter: (userId, entering) => enter(url, { userId, ...entering }) };
}
