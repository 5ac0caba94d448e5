import { mutationId } from '../mutation/mutation-id.ts';
import { decodeFrame } from '../protocol/codec.ts';
import type { HelloFrame } from '../protocol/frames.ts';
import { splitMessage } from '../protocol/message.ts';
import type { Ledger } from './ledger.ts';
import type { Party } from './schedule.ts';

/**
 * Listens to what is said over links about writers: a store that greets has to name all writers that could still carry
 * what it has pending, as far as it knows them, and once the relay has answered nothing of those may get into the log.
 */
export interface Greetings {
  /** A tab has read from its device what another open of a store left there. */
  loaded(tab: Party, mutation: string, writer: number): void;
  /** `link` is one object for each link. */
  sent(tab: Party, link: object, isUp: boolean, message: Uint8Array): void;
}

export function createGreetings(ledger: Ledger): Greetings {
  /** By tab and mutation: the writers it was sent by, or may have been. */
  const carriers = new WeakMap<Party, Map<string, Set<number>>>();
  const hellos = new WeakMap<object, HelloFrame>();
  const answered = new WeakSet<object>();
  const fenced = new Set<number>();

  function carry(tab: Party, mutation: string, writer: number): void {
    let known = carriers.get(tab);
    if (!known) carriers.set(tab, (known = new Map()));
    const writers = known.get(mutation);
    if (writers) writers.add(writer);
    else known.set(mutation, new Set([writer]));
  }

  function greeted(tab: Party, hello: HelloFrame): void {
    for (const { replica, from, to } of hello.outbox) {
      for (let counter = from; counter <= to; counter++) {
        const mutation = mutationId({ replica, counter });
        for (const writer of carriers.get(tab)?.get(mutation) ?? []) {
          if (writer === hello.writer || hello.fence.includes(writer) || fenced.has(writer)) continue;
          ledger.violated(`${tab.name} greets with ${mutation} pending, and does not name writer ${writer}, which may carry it too`);
        }
      }
    }
  }

  return {
    loaded: carry,
    sent(tab, link, isUp, message) {
      if (!isUp && answered.has(link)) return;
      for (const bytes of splitMessage(message)) {
        const frame = decodeFrame(bytes);
        if (frame.type === 'mutate') carry(tab, mutationId(frame.key), frame.writer);
        else if (frame.type === 'hello') {
          hellos.set(link, frame);
          greeted(tab, frame);
        } else if (frame.type === 'welcome') {
          answered.add(link);
          for (const writer of hellos.get(link)?.fence ?? []) {
            fenced.add(writer);
            ledger.fenced(writer);
          }
        }
      }
    },
  };
}
