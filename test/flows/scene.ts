import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineMutators, defineSchema, table } from 'cotable';
import { sqlite } from 'cotable/adapters/sqlite';
import type { FlowEvent, FlowItem } from 'cotable/client';
import { createRelay, type BackendConfig, type Relay, type RelayOptions, type ServedFlow } from 'cotable/relay';
import { createParser } from 'eventsource-parser';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

/** The app beside the flows. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: { notes: { schema: table(z.object({ id: z.string() })) } },
  mutators: { note: { input: z.object({ id: z.string() }) } },
});
type S = typeof schema;
export const mutators = defineMutators<S>({ note: (ctx, note) => ctx.table('notes').set(note.id, note) });

export async function tempFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-flows-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'relay.db');
}

export interface Served {
  readonly relay: Relay<S>;
  readonly base: string;
  readonly ws: string;
  /** Posts JSON, as user `ann` where nothing else is said. */
  post(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

/** A relay over HTTP on SQLite that serves flows and ends with the test. */
export async function serve(
  flows: readonly ServedFlow[],
  {
    file,
    port = 0,
    backend,
    ...options
  }: Partial<Omit<RelayOptions<S>, 'backend'>> & { file?: string; port?: number; backend?: Partial<BackendConfig<S>> } = {},
): Promise<Served> {
  const storage = options.storage ?? sqlite(file ?? (await tempFile()));
  const relay = createRelay({ ...options, backend: { schema, mutators, flows, ...backend }, storage });
  onTestFinished(() => relay.close({ graceMs: 0 }));
  const { url, port: bound } = await relay.listen(port);
  return { relay, ...reach(`http://127.0.0.1:${bound}`), ws: url };
}

/** A relay by its address. */
export function reach(base: string): Pick<Served, 'base' | 'post' | 'get'> {
  return {
    base,
    post: (path, body = {}, headers = {}) =>
      fetch(`${base}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify({ userId: 'ann', ...(body as object) }),
      }),
    get: (path, headers = {}) => fetch(`${base}${path}`, { headers }),
  };
}

/** What the relay answers to an action. */
export interface Kept {
  readonly status: string;
  readonly requestId: string;
  readonly request: { readonly id: string; readonly flowKind: string; readonly actionName: string; readonly sessionId: string };
  readonly session: { readonly id: string };
}

export async function send({ post }: Pick<Served, 'post'>, path: string, input: unknown): Promise<Kept> {
  const response = await post(path, { input });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as Kept;
}

/** Server-sent events as a standard parser reads them, until `until` says enough, or to the end. */
export async function* eventsOf(response: Response): AsyncGenerator<FlowEvent> {
  const waiting: FlowEvent[] = [];
  const parser = createParser({
    onEvent({ id, event, data }) {
      const told = JSON.parse(data) as FlowEvent;
      if (told.id !== id || told.type !== event) throw new Error(`event ${event} ${id} carries ${data}`);
      waiting.push(told);
    },
  });
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      parser.feed(decoder.decode(part.value, { stream: true }));
      yield* waiting.splice(0);
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/** All events of a request, to the last one. */
export async function allEvents(response: Response): Promise<FlowEvent[]> {
  const events: FlowEvent[] = [];
  for await (const event of eventsOf(response)) events.push(event);
  return events;
}

/**
 * What a reader makes of events who does no more than the page on flows says: a whole item takes the place of what there was,
 * of a delta what is known is cut off, and what was said of a request is forgotten when it is begun again.
 */
export function reading(events: Iterable<FlowEvent>): Map<string, FlowItem> {
  const items = new Map<string, FlowItem>();
  for (const event of events) {
    if (event.type === 'item.done' && (items.get(event.item.id)?.text ?? '') !== event.item.text) {
      throw new Error(`the deltas of ${event.item.id} say something else`);
    }
    if (event.type === 'request.in_progress') {
      for (const { id, requestId } of [...items.values()]) if (requestId === event.request.id) items.delete(id);
    }
    if ('item' in event) items.set(event.item.id, event.item);
    const item = 'itemId' in event ? items.get(event.itemId) : undefined;
    if (event.type === 'content.delta' && item) {
      if (event.offset > item.text.length) throw new Error(`a hole before ${event.id}`);
      items.set(item.id, { ...item, text: item.text + event.delta.slice(item.text.length - event.offset) });
    }
  }
  return items;
}

/** Who and what was said, in order. */
export function said(items: Iterable<FlowItem>): string[] {
  return [...items].map(({ role, text, status }) => `${role}: ${text}${status === 'done' ? '' : ` (${status})`}`);
}

export const typesOf = (events: readonly FlowEvent[]): string[] => events.map(({ type }) => type);

/** Resolves when it is told to. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
}
