// The runs and streams of the simulator's own runs. What an attempt does is decided by the run's id and the attempt's number
// (`said.mjs`), so that everybody can tell what it should have said. A run's row in `works` tells who has written for it, and
// how it ended; what has to have a row stands in `asks`.
import { table } from 'cotable';
import { z } from 'zod';
import { diceOf, piecesOf, textOf, USERS } from './said.mjs';

const work = z.object({
  id: z.string(),
  name: z.string(),
  by: z.string(),
  attempt: z.number(),
  begins: z.number(),
  ends: z.number(),
  given: z.string().optional(),
  dropped: z.boolean().optional(),
  status: z.string().optional(),
  text: z.string().optional(),
  wrong: z.string().optional(),
});
const job = z.object({
  id: z.string(),
  name: z.string(),
  run: z.string(),
  by: z.string(),
  state: z.string(),
  text: z.string(),
  final: z.string().optional(),
});
export const jobTables = {
  works: { schema: table(work) },
  jobs: { schema: table(job) },
  asks: { schema: table(z.object({ id: z.string(), name: z.string() })) },
};

const input = z.object({ job: z.string(), lane: z.string(), to: z.array(z.string()) });
const output = z.object({ run: z.string() });
const piece = z.object({ attempt: z.number(), index: z.number(), audience: z.string() });
export const jobActions = {
  tell: { input, output, stream: { kind: 'text' } },
  list: { input, output, stream: { kind: 'items', of: piece } },
  gauge: { input, output, stream: { kind: 'value', of: piece } },
  once: { input, output },
  picky: { input, output },
  crowd: { input, output },
};
const NAMES = Object.keys(jobActions);

export const jobMutatorShapes = {
  ask: {
    input: z.object({
      name: z.enum(NAMES),
      lane: z.string(),
      to: z.array(z.string()),
      key: z.string().optional(),
      after: z.number().optional(),
      isRegretted: z.boolean(),
    }),
  },
  drop: { input: z.object({ run: z.string() }) },
  work: { input: z.object({ run: z.string(), name: z.string(), attempt: z.number(), given: z.string().optional() }) },
  adopt: { input: z.object({ run: z.string(), name: z.string() }) },
};

const keyedJob = (userId, name, key) => `key ${userId} ${name} ${key}`;

export const jobMutators = {
  ask(ctx, { name, lane, to, key, after, isRegretted }) {
    const id = key === undefined ? ctx.mutationId : keyedJob(ctx.userId, name, key);
    const run = ctx.enqueueAction(name, { job: id, lane, to }, { idempotencyKey: key, runAfter: after });
    if (key === undefined) ctx.table('jobs').set(id, { id, name, run, by: ctx.userId, state: 'asked', text: '' });
    ctx.table('asks').set(run, { id: run, name });
    if (isRegretted) ctx.cancelAction(run);
  },
  drop(ctx, { run }) {
    if (ctx.table('works').has(run)) ctx.table('works').update(run, { dropped: true });
    ctx.cancelAction(run);
  },
  /** Made by attempts alone: what stands was written before, by whom it may be. */
  work(ctx, { run, name, attempt, given }) {
    const before = ctx.table('works').get(run) ?? { id: run, name, by: ctx.userId, attempt: 0, begins: 0, ends: 0 };
    const isNew = attempt > before.attempt;
    ctx.table('works').set(run, {
      ...before,
      attempt: Math.max(attempt, before.attempt),
      begins: before.begins + (isNew ? 1 : 0),
      given: before.given ?? given,
      wrong: before.wrong ?? wrongOf(before, attempt, given),
    });
  },
  adopt: (ctx, { run, name }) => ctx.table('asks').set(run, { id: run, name }),
};

function wrongOf({ attempt, ends, dropped, given: former }, now, given) {
  if (ends > 0) return `attempt ${now} wrote after the end`;
  if (dropped) return `attempt ${now} wrote after the cancel`;
  if (attempt > now) return `attempt ${now} wrote after attempt ${attempt}`;
  if (given !== undefined && former !== undefined && given !== former) return `a step gave ${given}, and ${former} before`;
  return undefined;
}

/** How many pieces go by in a time in which an attempt does everything that it may. */
function act(name) {
  return async (ctx, { job: id, lane, to }) => {
    const random = diceOf(ctx.runId, ctx.attempt);
    const rest = (ms) => ctx.platform.call('sleep', ms);
    const wrote = { run: ctx.runId, name, attempt: ctx.attempt };
    await ctx.mutate('work', wrote);
    const given = await ctx.step('first', async () => {
      await rest(random() * 100);
      return `${ctx.attempt} ${random()}`;
    });
    for (const said of name in SAY ? piecesOf(ctx.runId, ctx.attempt, ctx.userId) : []) {
      SAY[name](ctx, said, to);
      if (random() < 0.7) await rest(random() * 500);
    }
    // Some do nothing but speak at the end.
    if (random() < 0.7) await ctx.mutate('work', { ...wrote, given });
    if (random() < 0.1 && id.length < 60) {
      const child = random() < 0.5 ? 'tell' : 'crowd';
      const asked = { job: `${id}/${ctx.attempt}`, lane, to: [] };
      const run = await ctx.enqueueAction(child, asked, random() < 0.5 ? { runAfter: 3_000 } : { idempotencyKey: asked.job });
      await ctx.mutate('adopt', { run, name: child });
    }
    const fate = random();
    if (fate < 0.08) {
      // Nobody waits for what it writes last.
      ctx.mutate('work', wrote).catch(() => undefined);
      for (let turn = 0; turn < 10; turn++) await undefined;
    }
    if (fate < 0.15) throw new Error('it failed');
    if (fate < 0.2) throw Object.assign(new Error('it failed for good'), { retryable: false });
    if (fate < 0.28) await rest(20_000);
    // Who hears too late that its time is over tries all the same.
    if (fate < 0.28) await Promise.allSettled([ctx.mutate('work', wrote), ctx.step('late', () => 1), ctx.mutate('work', wrote)]);
    return { run: ctx.runId };
  };
}

/** Says one piece to those whom it is for. */
function sayTo(ctx, { audience }, to, content) {
  if (audience === 'r') ctx.broadcastStream(content);
  else if (audience === 'u') ctx.stream(content);
  else if (audience === 's') ctx.streamTo(to, content);
  else ctx.streamTo([USERS['ABC'.indexOf(audience)]], content);
}

const SAY = {
  tell(ctx, said, to) {
    const text = textOf(said);
    // In two parts, the one for the room, with half of a character in each.
    const cut = said.audience === 'r' ? text.length - 2 : text.length;
    sayTo(ctx, said, to, text.slice(0, cut));
    if (cut < text.length) sayTo(ctx, said, to, text.slice(cut));
  },
  list: sayTo2,
  gauge: sayTo2,
};

function sayTo2(ctx, said, to) {
  sayTo(ctx, said, to, said);
}

function settled(name) {
  return (ctx, { id, input: { job: place }, status, text }) => {
    const row = ctx.table('works').get(id) ?? { id, name, by: ctx.userId, attempt: 0, begins: 0, ends: 0 };
    const wrong = row.wrong ?? (status === 'expired' && row.begins > 0 ? 'it has expired, and had begun' : undefined);
    ctx.table('works').set(id, { ...row, ends: row.ends + 1, status, text, wrong });
    if (ctx.table('jobs').has(place)) ctx.table('jobs').update(place, { state: status, text, final: text });
  };
}

const policy = (name, more) => ({
  run: act(name),
  onSettled: settled(name),
  retry: { attempts: 3, firstDelayMs: 300, maxDelayMs: 2_000 },
  timeoutMs: 8_000,
  ...more,
});
const lanes = (strategy, limit) => ({ concurrency: { key: ({ lane }) => lane, limit, strategy } });

export const jobPolicies = {
  tell: policy('tell', { cell: ({ job: key }) => ({ table: 'jobs', key, field: 'text' }) }),
  list: policy('list', lanes('queue', 1)),
  gauge: policy('gauge', lanes('restart', 1)),
  once: policy('once', { delivery: 'at-most-once' }),
  picky: policy('picky', lanes('reject', 2)),
  crowd: policy('crowd', lanes('join', 1)),
};

/** Time is all that attempts need of the world. */
export const platform = ({ sleep }) => ({ sleep });

/** Asks for a run, by a mutation or directly, or cancels one. */
export function actOnRuns(store, random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const open = store.runs.filter(({ status }) => ['pending', 'queued', 'running', 'waiting'].includes(status));
  if (open.length > 0 && random() < 0.25) {
    const { id, name } = pick(open);
    return random() < 0.5 ? store.mutate.drop({ run: id }) : store.run(name, id).cancel();
  }
  const [name, lane] = [pick(NAMES), pick(['x', 'y'])];
  const key = random() < 0.2 ? pick(['1', '2', '3']) : undefined;
  const to = store.sessionId && key === undefined && random() < 0.3 ? [store.sessionId] : [];
  if (random() < 0.5) {
    const after = random() < 0.2 ? random() * 20_000 : undefined;
    return store.mutate.ask({ name, lane: key ? 'x' : lane, to, key, after, isRegretted: random() < 0.05 });
  }
  const chosen = key ? `key ${random() < 0.1 ? 'other' : ''}` : `call ${Math.floor(random() * 1e9)}`;
  const expiresIn = random() < 0.3 ? random() * 3_000 : undefined;
  const offline = random() < 0.1 ? 'reject' : 'queue';
  return store.action[name]({ job: chosen, lane: key ? 'x' : lane, to }, { idempotencyKey: key, expiresIn, offline });
}

/** Once all is level: whatever was asked for has ended once, and nobody wrote who should not. */
export function checkJobs(store) {
  const works = store.table('works');
  for (const { id, name } of store.table('asks').list())
    if (!works.has(id)) throw new Error(`${name} ${id} was asked for, and never ended`);
  for (const { id, name, begins, ends, wrong } of works.list()) {
    if (wrong) throw new Error(`${name} ${id}: ${wrong}`);
    if (ends !== 1) throw new Error(`${name} ${id} has ended ${ends} times`);
    if (name === 'once' && begins > 1) throw new Error(`${id} is at most once, and began ${begins} times`);
  }
  for (const { id, state, text, final } of store.table('jobs').list()) {
    if (state === 'asked') throw new Error(`the row of ${id} waits for its end for ever`);
    if (text !== final) throw new Error(`the row of ${id} shows '${text}', and its run ended with '${final}'`);
  }
}
