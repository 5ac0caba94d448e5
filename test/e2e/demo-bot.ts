import type { Page } from 'playwright';
import { describe, expect, it } from 'vitest';
import { startModel, type Turn } from '../fixtures/chat-completions.ts';
import type { Pane } from './demo-harness.ts';
import { allShow, bothShow, confirmed, eventually, type DemoScene } from './demo-scene.ts';

const PACE = ['--pace', '40'];
const RULES = 'Bot, rule-based, no AI model';
const HELP_END = '@bot done milk – ticks it off';

interface Seen {
  readonly text: string;
  readonly status: string;
}

/** What the bot's messages say now. */
const answers = (pane: Pane): Promise<Seen[]> =>
  pane.log.locator('article[data-person=Bot]').evaluateAll((articles) =>
    articles.map((article) => ({
      text: article.querySelector('.text')?.textContent ?? '',
      status: article.getAttribute('data-status') ?? '',
    })),
  );

/** Writes down every state of the newest message of the bot from now on; the function returned tells them. */
async function watch(page: Page, user: string): Promise<() => Promise<Seen[]>> {
  const frame = page.frames().find((one) => one.url().includes(`user=${user}`));
  if (!frame) throw new Error(`no frame of ${user}`);
  await frame.evaluate(() => {
    const seen: Seen[] = [];
    const look = (): void => {
      const article = [...document.querySelectorAll('[data-person=Bot][data-status]')].at(-1);
      if (!article) return;
      const now = { text: article.querySelector('.text')?.textContent ?? '', status: article.getAttribute('data-status') ?? '' };
      const last = seen.at(-1);
      if (last?.text !== now.text || last.status !== now.status) seen.push(now);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    Object.assign(window, { seen });
  });
  return () => frame.evaluate(() => (window as unknown as { seen: Seen[] }).seen);
}

/** The answer grew from nothing to its end, and ended once. `starts`: how often it may have begun again. */
function expectGrowth(seen: readonly Seen[], text: string, starts = 1): void {
  expect(seen[0]).toEqual({ text: '', status: 'incomplete' });
  expect(seen.at(-1)).toEqual({ text, status: 'complete' });
  expect(seen.filter(({ status }) => status === 'complete')).toHaveLength(1);
  for (const { text: part } of seen) expect(text.startsWith(part)).toBe(true);
  const lengths = seen.map((one) => one.text.length);
  expect(new Set(lengths).size).toBeGreaterThan(4);
  expect(lengths.filter((length, at) => at > 0 && length < (lengths[at - 1] ?? 0)).length).toBeLessThan(starts);
}

/** Turns in the order of the requests, for a model that is led by the test. */
async function ledModel(): Promise<{ readonly url: string; readonly next: () => Promise<Turn> }> {
  const turns: Turn[] = [];
  const { url } = await startModel((turn) => void turns.push(turn));
  return {
    url,
    async next() {
      await expect.poll(() => turns.length, { timeout: 10_000 }).toBeGreaterThan(0);
      return turns.shift() as Turn;
    },
  };
}

/** What the demo's tests say of the bot. To be called once, where the demo is set up. */
export function describeBot(scene: DemoScene): void {
  describe('the bot', () => {
    it('[DM17 DM18] shows a placeholder at once, grows in both panes, and ends complete once, with its label', async () => {
      await scene.restart(PACE);
      const { page, alice, bob } = await scene.open();
      await confirmed(alice);
      await confirmed(bob);
      const [byAlice, byBob] = [await watch(page, 'Alice'), await watch(page, 'Bob')];
      await alice.say('@bot help');
      await alice.frame.getByRole('img', { name: 'Bot is writing' }).or(alice.articles.getByText('I follow')).first().waitFor();
      for (const pane of [alice, bob]) await eventually(() => answers(pane)).toMatchObject([{ status: 'complete' }]);
      const [text = ''] = (await answers(alice)).map((answer) => answer.text);
      expect(text.endsWith(HELP_END)).toBe(true);
      await bothShow(alice, bob, ['@bot help', text]);
      expect((await alice.whole())[1]).toContain(RULES);
      expectGrowth(await byAlice(), text);
      expectGrowth(await byBob(), text);
    });

    it('[SR21] goes on in the middle of an answer after a reload, and a second device that comes in the middle shows the same text', async () => {
      const model = await ledModel();
      await scene.restart([], { OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'tiny-chat' });
      const alice = await scene.openTab('Alice');
      await confirmed(alice);
      await alice.say('@bot tell me');
      const turn = await model.next();
      const text = async (pane: Pane): Promise<string | undefined> => (await answers(pane))[0]?.text;
      turn.say('One, two');
      await eventually(() => text(alice)).toBe('One, two');
      // Each has a browser of its own: nothing of it is on a device.
      const other = await scene.openTab('Alice');
      await eventually(() => text(other)).toBe('One, two');
      turn.say(', three 💙');
      for (const pane of [alice, other]) await eventually(() => text(pane)).toBe('One, two, three 💙');
      await alice.page.reload();
      await eventually(() => text(alice)).toBe('One, two, three 💙');
      const late = await scene.openTab('Bob');
      for (const pane of [alice, other, late])
        await eventually(() => answers(pane)).toEqual([{ text: 'One, two, three 💙', status: 'incomplete' }]);
      turn.say(', four.');
      for (const pane of [alice, other, late]) await eventually(() => text(pane)).toBe('One, two, three 💙, four.');
      turn.finish();
      await allShow([alice, other, late], ['@bot tell me', 'One, two, three 💙, four.']);
    });

    it('[DM19] asked offline shows the placeholder there, and answers once, back online', async () => {
      await scene.restart(PACE);
      const { alice, bob } = await scene.open();
      await confirmed(alice);
      await alice.network.click();
      await eventually(alice.state).toBe('Offline');
      await alice.say('@bot list');
      expect(await answers(alice)).toEqual([{ text: '', status: 'incomplete' }]);
      await alice.reload.click();
      await eventually(alice.pending).toBe('1 pending');
      await eventually(() => answers(alice)).toEqual([{ text: '', status: 'incomplete' }]);
      expect(await answers(bob)).toEqual([]);
      await alice.network.click();
      await bothShow(alice, bob, ['@bot list', 'The list is empty. Add something with: @bot add milk']);
    });

    it('[DM20] ends complete once though the relay is killed in the middle, and nothing is done twice', async () => {
      await scene.restart(PACE);
      const { page, alice, bob } = await scene.open();
      await confirmed(alice);
      await confirmed(bob);
      await alice.say('@bot add milk, eggs');
      for (const pane of [alice, bob]) await eventually(() => answers(pane)).toMatchObject([{ status: 'complete' }]);
      const [byAlice, byBob] = [await watch(page, 'Alice'), await watch(page, 'Bob')];
      await alice.say('@bot help');
      for (const pane of [alice, bob]) await eventually(async () => (await answers(pane))[1]?.text.length).toBeGreaterThan(20);
      await page.getByRole('button', { name: 'Kill relay', exact: true }).click();
      await page.getByText(/^Process \d+ killed, \d+ took over after/).waitFor();
      for (const pane of [alice, bob]) await eventually(() => answers(pane)).toMatchObject([{}, { status: 'complete' }]);
      const [added, help] = await answers(alice);
      expect(help?.text.endsWith(HELP_END)).toBe(true);
      const texts = ['@bot add milk, eggs', 'Added milk and eggs. Open on the list: milk and eggs.', '@bot help', help?.text ?? ''];
      expect(added?.text).toBe(texts[1]);
      await bothShow(alice, bob, texts);
      for (const seen of [await byAlice(), await byBob()]) {
        const own = seen.filter((one) => one.text !== texts[1]);
        expectGrowth(own, help?.text ?? '', 2);
      }

      // A command that changes something, killed before it has said so.
      await bob.say('@bot add flour');
      await page.getByRole('button', { name: 'Kill relay', exact: true }).click();
      await eventually(async () => (await answers(bob))[2]).toMatchObject({ status: 'complete' });
      await bob.say('@bot list');
      await bothShow(alice, bob, [
        ...texts,
        '@bot add flour',
        'Added flour. Open on the list: milk, eggs, and flour.',
        '@bot list',
        'The list:\n○ milk (Alice)\n○ eggs (Alice)\n○ flour (Bob)',
      ]);
    });

    it('[DM20] has a relay that no other site can kill', async () => {
      const kill = (origin: string): Promise<Response> =>
        fetch(`${scene.demo.url}relay/kill`, { method: 'POST', headers: { origin, 'content-type': 'text/plain' } });
      expect((await kill('https://elsewhere.example')).status).toBe(403);
      expect(await (await kill(new URL(scene.demo.url).origin)).json()).toMatchObject({ killed: expect.any(Number) });
      await expect.poll(async () => (await fetch(`${scene.demo.url}healthz`)).status).toBe(200);
    });

    it('[DM21 DM22] shows what was said so far after a reload, and goes on; a model says it where the environment names one', async () => {
      const model = await ledModel();
      await scene.restart([], { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'a-key', OPENAI_MODEL: 'tiny-chat' });
      const { page, alice, bob } = await scene.open();
      await confirmed(alice);
      await bob.say('The tiles are blue.');
      await eventually(alice.texts).toEqual(['The tiles are blue.']);
      await alice.say('@bot which colour?');
      await alice.frame.getByRole('img', { name: 'Bot is writing' }).waitFor();
      const turn = await model.next();
      expect(turn).toMatchObject({ path: '/v1/chat/completions', authorization: 'Bearer a-key' });
      expect(turn.body).toMatchObject({ model: 'tiny-chat', stream: true });
      expect(turn.body.messages.slice(1)).toEqual([
        { role: 'user', content: 'Bob: The tiles are blue.' },
        { role: 'user', content: 'Alice: which colour?' },
      ]);
      turn.say('Blue – ');
      turn.say('Bob says so 💙');
      for (const pane of [alice, bob]) await eventually(async () => (await answers(pane))[0]?.text).toBe('Blue – Bob says so 💙');

      await alice.reload.click();
      await eventually(() => answers(alice)).toEqual([{ text: 'Blue – Bob says so 💙', status: 'incomplete' }]);
      await page.reload();
      for (const pane of [alice, bob]) {
        await eventually(() => answers(pane)).toEqual([{ text: 'Blue – Bob says so 💙', status: 'incomplete' }]);
      }
      turn.say(', this morning.');
      for (const pane of [alice, bob]) await eventually(async () => (await answers(pane))[0]?.text).toMatch(/morning\.$/);
      turn.finish();
      await bothShow(alice, bob, ['The tiles are blue.', '@bot which colour?', 'Blue – Bob says so 💙, this morning.']);
      expect((await answers(alice))[0]?.status).toBe('complete');
      expect((await alice.whole())[2]).toContain('Bot, tiny-chat');
      expect((await alice.whole())[2]).not.toContain('no AI model');
    });

    it('[DM23] that breaks off ends in an error, with what was said until then and why', async () => {
      const model = await ledModel();
      await scene.restart([], { OPENAI_BASE_URL: `${model.url}/`, OPENAI_MODEL: 'tiny-chat' });
      const { alice, bob } = await scene.open();
      await confirmed(alice);
      await alice.say('@bot one');
      const first = await model.next();
      expect(first.authorization).toBeUndefined();
      first.refuse(401, 'Incorrect API key');
      for (const pane of [alice, bob]) await eventually(() => answers(pane)).toEqual([{ text: '', status: 'error' }]);
      expect((await bob.whole())[1]).toContain('No answer. tiny-chat answered 401: Incorrect API key');

      await alice.say('@bot two');
      const second = await model.next();
      second.say('I was about to');
      await eventually(async () => (await answers(bob))[1]?.text).toBe('I was about to');
      second.drop();
      for (const pane of [alice, bob])
        await eventually(async () => (await answers(pane))[1]).toEqual({ text: 'I was about to', status: 'error' });
      expect((await bob.whole())[3]).toContain('The answer broke off. tiny-chat stopped in the middle');
      await bothShow(alice, bob, ['@bot one', '', '@bot two', 'I was about to']);
    });

    it('[DM24] without a model keeps a list and sums up what was said', async () => {
      await scene.restart(['--pace', '0']);
      const { alice, bob } = await scene.open();
      await confirmed(alice);
      await alice.say('Shall we bake?');
      await bob.say('Yes, tomorrow.');
      const texts = ['Shall we bake?', 'Yes, tomorrow.'];
      const dialogue = [
        ['@bot add Flour', 'Added Flour. Open on the list: Flour.'],
        ['@bot add flour, milk', 'Added milk. Already there: Flour. Open on the list: Flour and milk.'],
        ['@bot done FLOUR', 'Done: Flour. Open on the list: milk.'],
        ['@bot list', 'The list:\n✓ Flour (Alice)\n○ milk (Alice)'],
        [
          '@bot summary',
          '2 messages so far, 1 by Alice and 1 by Bob.\nIt began with “Shall we bake?” (Alice).\nThe latest is “Yes, tomorrow.” (Bob).\nOpen on the list: milk.',
        ],
      ];
      for (const [question = '', answer = ''] of dialogue) {
        await alice.say(question);
        texts.push(question, answer);
        await eventually(alice.texts).toEqual(texts);
      }
      await bothShow(alice, bob, texts);
      expect(await bob.articles.getByRole('button').count()).toBe(2);
    });

    it('[DM25] has a relay that ends with the demo, however that ends', async () => {
      const { killed, started } = (await (
        await fetch(`${scene.demo.url}relay/kill`, { method: 'POST', headers: { 'content-type': 'application/json' } })
      ).json()) as { killed: number; started: number };
      expect(isAlive(killed)).toBe(false);
      expect(isAlive(started)).toBe(true);
      await scene.demo.stop('SIGKILL');
      await expect.poll(() => isAlive(started), { timeout: 10_000 }).toBe(false);
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
