import { createStore, defineMutators, defineSchema, table, type JsonValue, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { kept, POLL } from './scene.ts';

const fields = { id: z.string(), text: z.string(), box: z.object({ w: z.number() }), stars: z.number().optional() };
// The relay refuses a row that does not fit its own schema, so what is new in it is optional.
const newer = {
  ...fields,
  box: z.object({ w: z.number(), color: z.string().optional() }),
  due: z.string().optional(),
  labels: z.array(z.string()).optional(),
};

/** What a validator that lets everything through gives. */
const anything = z.custom<JsonValue>(() => true);

/** The same version of the schema, with tables of three kinds of validators. */
function app(row: typeof fields) {
  const schema = defineSchema({
    schemaVersion: 1,
    tables: {
      strip: { schema: table(z.object(row)) },
      loose: { schema: table(z.object(row).catchall(anything)) },
      strict: { schema: table(z.strictObject(row)) },
    },
    mutators: {
      put: { input: z.looseObject({ id: z.string() }) },
      edit: { input: z.object({ kind: z.enum(['strip', 'loose', 'strict']), id: z.string(), fields: z.looseObject({}) }) },
    },
  });
  const mutators = defineMutators<typeof schema>({
    put(ctx, given) {
      for (const kind of ['strip', 'loose', 'strict'] as const) ctx.table(kind).set(given.id, given as never);
    },
    edit(ctx, { kind, id, fields: given }) {
      // An input is JSON: `null` stands for a field that is taken away.
      ctx.table(kind).update(id, Object.fromEntries(Object.entries(given).map(([field, value]) => [field, value ?? undefined])));
    },
  });
  return { schema, mutators };
}

const WHOLE = { id: 'a', text: 'a', box: { w: 1, color: 'red' }, due: 'today', labels: ['x'] };

async function scene(): Promise<{
  readonly ann: Store<ReturnType<typeof app>['schema']>;
  rows(kind: 'strip' | 'loose' | 'strict'): unknown;
}> {
  const hub = memoryHub();
  const [before, after] = [app(fields), app(newer as never)];
  const relay = createRelay({ backend: after, storage: memoryRelayStorage(), acceptors: [hub.acceptor()] });
  onTestFinished(() => relay.close());
  const open = (userId: string, { schema, mutators }: typeof before): Store<typeof before.schema> => {
    const store = createStore({
      schema,
      mutators,
      room: 'room',
      storage: memoryClientStorage(),
      transports: [hub.transport(userId)],
      userId,
    });
    onTestFinished(() => store.close());
    return store;
  };
  const ben = open('ben', after);
  await kept(ben.mutate.put(WHOLE));
  const ann = open('ann', before);
  await ann.synced;
  return { ann, rows: (kind) => ben.table(kind).get('a') };
}

describe('a field that an app does not know', () => {
  it.each(['strip', 'loose'] as const)('[EP16] is left alone when other fields of its row are edited (%s)', async (kind) => {
    const { ann, rows } = await scene();
    await kept(ann.mutate.edit({ kind, id: 'a', fields: { text: 'edited', stars: 2 } }));
    const edited = { ...WHOLE, text: 'edited', stars: 2 };
    await expect.poll(() => rows(kind), POLL).toEqual(edited);
    await kept(ann.mutate.edit({ kind, id: 'a', fields: { stars: null } }));
    await expect.poll(() => rows(kind), POLL).toEqual({ ...WHOLE, text: 'edited' });
    // What is given is what is meant, down to its own fields.
    await kept(ann.mutate.edit({ kind, id: 'a', fields: { box: { w: 2 } } }));
    await expect.poll(() => rows(kind), POLL).toEqual({ ...WHOLE, text: 'edited', box: { w: 2 } });
    // `set` is the whole row.
    await kept(ann.mutate.put({ id: 'a', text: 'new', box: { w: 3 } }));
    await expect.poll(() => rows(kind), POLL).toEqual({ id: 'a', text: 'new', box: { w: 3 } });
  });

  it('[EP16] is refused by a validator that refuses it, and so it stays too', async () => {
    const { ann, rows } = await scene();
    await expect(ann.mutate.edit({ kind: 'strict', id: 'a', fields: { text: 'edited' } })).rejects.toMatchObject({ code: 'row.invalid' });
    await kept(ann.mutate.edit({ kind: 'strip', id: 'a', fields: { text: 'edited' } }));
    expect(rows('strict')).toEqual(WHOLE);
  });
});
