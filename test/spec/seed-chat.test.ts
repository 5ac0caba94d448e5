import { createStore, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type BackendConfig, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRuns } from '../fixtures/open-runs.ts';
import { chatBackendConfig } from '../seed-chat/backend.ts';
import { chatSchema } from '../seed-chat/schema.ts';
import { kept, when } from './support.ts';

type Chat = typeof chatSchema;

interface Lobby {
  readonly relay: Relay<Chat>;
  readonly storage: RelayStorage;
  open(userId: string): Store<Chat>;
}

function lobby(backend: BackendConfig<Chat> = chatBackendConfig): Lobby {
  const hub = memoryHub();
  const storage = memoryRelayStorage();
  const relay = createRelay({ backend, storage, acceptors: [hub.acceptor()] });
  const stores: Store<Chat>[] = [];
  onTestFinished(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await relay.close({ graceMs: 0 });
  });
  return {
    relay,
    storage,
    open(userId) {
      const { schema, mutators } = backend;
      const transports = [hub.transport(userId)];
      const store = createStore({ schema, mutators, room: 'lobby', storage: memoryClientStorage(), transports, userId });
      stores.push(store);
      return store;
    },
  };
}

const question = { id: 'msg-1', text: '@Claude tell me a story', role: 'user', senderId: 'alice' };
const placeholder = { id: 'msg-2', text: '', role: 'assistant', senderId: 'Claude', status: 'incomplete' };

describe('the chat of the first source document', () => {
  test('[A23 A26 A27] shows message and placeholder in the same task, before any relay has heard of them', async () => {
    const store = lobby().open('alice');
    await store.ready;
    let tasks = 0;
    setImmediate(() => tasks++);

    // Mutation: instant optimistic update — user sees their message + placeholder immediately
    await store.mutate.sendMessage({
      id: 'msg-1',
      text: '@Claude tell me a story',
      botMessageId: 'msg-2',
    });

    expect(store.table('messages').list()).toEqual([question, placeholder]);
    expect(tasks).toBe(0);
  });

  test('[A16 A17 A18] queues the run of callBot on the relay, once the mutation is kept; nothing runs in the tab', async () => {
    // A bot that never answers: its run stays open.
    const { storage, open } = lobby({ ...chatBackendConfig, actions: { callBot: () => new Promise(() => undefined) } });
    const store = open('alice');
    await kept(store.mutate.sendMessage({ id: 'msg-1', text: '@Claude tell me a story', botMessageId: 'msg-2' }));
    const [run, ...others] = await openRuns(storage, 'lobby');
    expect(run).toMatchObject({ name: 'callBot', userId: 'alice' });
    expect(JSON.parse(run?.input ?? '')).toEqual({ botName: 'Claude', botMessageId: 'msg-2' });
    expect(others).toEqual([]);
    expect(store.table('messages').get('msg-2')).toEqual(placeholder);
  });

  test.each([
    ['no mention', { id: 'msg-1', text: 'tell me a story', botMessageId: 'msg-2' }],
    ['a mention that is not at the beginning', { id: 'msg-1', text: 'hey @Claude tell me a story', botMessageId: 'msg-2' }],
    ['a mention of nobody', { id: 'msg-1', text: '@ tell me a story', botMessageId: 'msg-2' }],
    ['a mention and nothing else', { id: 'msg-1', text: '@Claude', botMessageId: 'msg-2' }],
    ['no botMessageId', { id: 'msg-1', text: '@Claude tell me a story' }],
    ['an empty botMessageId', { id: 'msg-1', text: '@Claude tell me a story', botMessageId: '' }],
  ])('[A18 A28] makes no placeholder and asks for no run: %s', async (_, message) => {
    const { storage, open } = lobby();
    const store = open('alice');
    await kept(store.mutate.sendMessage(message));
    expect(store.table('messages').list()).toEqual([{ id: 'msg-1', text: message.text, role: 'user', senderId: 'alice' }]);
    expect(await openRuns(storage, 'lobby')).toEqual([]);
  });

  test('[A15 A20 A25] the relay reads, changes and writes a message; every store sees it grow', async () => {
    const { relay, open } = lobby();
    const [alice, bob] = [open('alice'), open('bob')];
    await bob.synced;
    await kept(alice.mutate.sendMessage({ id: 'msg-1', text: '@Claude tell me a story', botMessageId: 'msg-2' }));
    const texts: string[] = [];
    bob
      .table('messages')
      .row$('msg-2')
      .subscribe(({ row }) => texts.push(row?.text ?? '-'));
    // The bot of the seed tells its story meanwhile; only then the test goes on where it ended.
    await when(alice.table('messages').row$('msg-2'), ({ row }) => row?.status === 'complete');
    const story = 'Once upon a time, Claude told a story.';
    expect(alice.table('messages').get('msg-2')).toEqual({ ...placeholder, text: story, status: 'complete' });
    for (const text of [`${story} A`, `${story} A good`, `${story} A good one`]) {
      await relay.mutate('lobby', 'updateMessage', { id: 'msg-2', text, status: 'incomplete' });
    }
    await relay.mutate('lobby', 'updateMessage', { id: 'msg-2', text: `${story} A good one`, status: 'complete' });
    const finished = { ...placeholder, text: `${story} A good one`, status: 'complete' };
    for (const store of [alice, bob]) {
      expect(
        (await when(store.table('messages').row$('msg-2'), ({ row }) => row?.text === finished.text && row.status === 'complete')).row,
      ).toEqual(finished);
    }
    expect(texts.filter((text) => text !== '-')).toEqual(texts.filter((text) => text !== '-').toSorted((x, y) => x.length - y.length));
    expect(texts.at(-1)).toBe(finished.text);
  });

  test('[A25] updateMessage of a message that is not there makes none', async () => {
    const { relay, open } = lobby();
    const store = open('alice');
    await store.synced;
    await relay.mutate('lobby', 'updateMessage', { id: 'gone', text: 'x', status: 'error' });
    await kept(store.mutate.updateMessage({ id: 'gone', text: 'x', status: 'error' }));
    expect(store.table('messages').count()).toBe(0);
  });

  test('[A7 A22] a status is incomplete, complete or error, and nothing else', async () => {
    const store = lobby().open('alice');
    await store.mutate.sendMessage({ id: 'msg-1', text: 'hi' });
    for (const status of ['incomplete', 'complete', 'error'] as const) {
      await store.mutate.updateMessage({ id: 'msg-1', text: 'hi', status });
      expect(store.table('messages').get('msg-1')?.status).toBe(status);
    }
    const wrong = store.mutate.updateMessage({ id: 'msg-1', text: 'hi', status: 'done' as 'complete' });
    await expect(wrong).rejects.toMatchObject({
      code: 'mutation.invalidInput',
      params: { name: 'updateMessage', issues: [{ path: ['status'] }] },
    });
  });

  test('[A29] keeps the descriptions of its mutators and actions', () => {
    expect(chatSchema.mutators.sendMessage.description).toBe('Send a message, optionally triggering a bot response');
    expect(chatSchema.mutators.updateMessage.description).toBe("Update a message's text and status");
    expect(chatSchema.actions.callBot.description).toBe('Stream an LLM response into a placeholder message');
  });

  test('[A10 A11] its configuration is a relay’s, made by defineBackendConfig or written as a plain object', async () => {
    const plain = { schema: chatSchema, mutators: chatBackendConfig.mutators, actions: chatBackendConfig.actions };
    expect({ ...chatBackendConfig }).toEqual(plain);
    for (const backend of [chatBackendConfig, plain]) {
      const { storage, open } = lobby(backend);
      await kept(open('alice').mutate.sendMessage({ id: 'msg-1', text: '@Claude hello', botMessageId: 'msg-2' }));
      await expect.poll(async () => (await openRuns(storage, 'lobby')).length).toBe(0);
      expect((await storage.entries('lobby', 0, 100)).length).toBeGreaterThan(4);
    }
  });
});
