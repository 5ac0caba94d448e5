// Spoilt frames over real sockets to a live relay, beside a canary: a store that must notice nothing.
import { createStore } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { isDeepStrictEqual } from 'node:util';
import { WebSocket } from 'ws';
import { birth, clock, hello, message, mutate } from '../attacks/bytes.mjs';
import { mutators, schema } from '../fixtures/notes.mjs';
import { assertAllHappened, createSpoiler, diceOf } from './mutations.mjs';
import { updateOf } from './scenes.mjs';
import { openStranger } from './stranger.mjs';

const STRANGERS = 8;
/** Each writer that got something through stays in a room's documents, so that rooms are changed now and then. */
const FRAMES_A_ROOM = 1_000;
/** The canary writes after so many frames. */
const CANARY_EVERY = 50;

/** Resolves with what was done. Throws at the first thing that is wrong. */
export async function fuzzRelay({ frames, seed }) {
  const dice = diceOf(seed);
  const spoiler = createSpoiler(dice);
  const storage = memoryRelayStorage();
  const problems = [];
  const logger = { info() {}, warn() {}, error: (fields, text) => problems.push(`${text}: ${fields.error}`) };
  const relay = createRelay({ backend: { schema, mutators }, storage, logger });
  const { url } = await relay.listen();
  const counts = { greetings: 0, updates: 0, messages: 0, texts: 0 };
  const codes = {};
  let sent = 0;
  let accepted = 0;
  let written = 0;
  let writers = 2 ** 31;

  async function inRoom(room) {
    await storage.openRoom(room, birth);
    const canary = openStore(url, room);
    const states = new Set();
    await write(canary, 'first');
    canary.status$.subscribe(({ state }) => states.add(state));
    const end = Math.min(frames, sent + FRAMES_A_ROOM);
    await Promise.all(Array.from({ length: STRANGERS }, () => attack(room, () => sent < end, canary)));
    await write(canary, 'last');
    if (states.size !== 1 || !states.has('online')) throw new Error(`the canary was ${[...states].join(', ')}`);
    if (problems.length > 0) throw new Error(problems[0]);
    const newcomer = openStore(url, room);
    await newcomer.synced;
    if (!isDeepStrictEqual(newcomer.table('notes').list(), canary.table('notes').list())) throw new Error('a newcomer sees other rows');
    accepted += (await storage.openRoom(room, birth)).head;
    await Promise.all([canary.close(), newcomer.close()]);
  }

  async function attack(room, goesOn, canary) {
    while (goesOn()) {
      const by = ++writers;
      const scene = { clock, update: updateOf(by, clock, dice) };
      const stranger = await openStranger(url);
      const greeting = hello({ room, by, replica: by });
      const isGreeting = dice() < 0.1;
      stranger.send(message(isGreeting ? spoiler.spoil(greeting, greeting) : greeting));
      sent += isGreeting ? 1 : 0;
      counts.greetings += isGreeting ? 1 : 0;
      for (let number = 1; goesOn() && (await stranger.isAlive()); number++) {
        sent += 1;
        stranger.send(spoilt(scene, by, number));
        if (sent % CANARY_EVERY === 0) await write(canary, `row${sent % 7}`);
      }
      stranger.end();
      const { code, reason } = await stranger.closed;
      const name = reason || String(code);
      codes[name] = (codes[name] ?? 0) + 1;
      // 1000: it was let go by ourselves. 1002 and 1007: WebSockets' own words for bytes that are none of theirs.
      if (![1000, 1002, 1005, 1007, 1009, 4000].includes(code)) throw new Error(`a link was closed with ${code}`);
    }
  }

  function spoilt(scene, by, number) {
    const right = (update) => message(mutate(update, { by, number, at: scene.clock, replica: by }));
    const chance = dice();
    if (chance < 0.6) {
      counts.updates += 1;
      return right(spoiler.spoil(scene.update, scene.update));
    }
    if (chance < 0.61) {
      counts.texts += 1;
      return 'text';
    }
    counts.messages += 1;
    const whole = right(scene.update);
    return spoiler.spoil(whole, whole);
  }

  async function write(store, id) {
    written += 1;
    await (
      await store.mutate.write({ id, text: `${written}` })
    ).confirmed;
  }

  try {
    for (let room = 0; sent < frames; room++) await inRoom(`fuzz-${seed}-${room}`);
  } catch (error) {
    throw new Error(`relay seed=${seed} frame=${sent}: ${error.message}`, { cause: error });
  } finally {
    await relay.close();
  }
  const injected = { ...spoiler.counts, ...counts };
  assertAllHappened(injected);
  // What the canary wrote was accepted too.
  return {
    seed,
    frames: sent,
    accepted: accepted - written,
    canary: written,
    codes: Object.keys(codes).length,
    ...injected,
    lost: 0,
    crashes: 0,
  };
}

function openStore(url, room) {
  return createStore({
    schema,
    mutators,
    room,
    userId: 'canary',
    storage: memoryClientStorage(),
    transports: [webSocket(url, { WebSocket })],
  });
}
