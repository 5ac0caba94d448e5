import { mutationId } from '../mutation/mutation-id.ts';
import { decodeFrame } from '../protocol/codec.ts';
import type { HelloFrame, MutateFrame } from '../protocol/frames.ts';
import { splitMessage } from '../protocol/message.ts';
import type { Ledger } from './ledger.ts';
import type { Party } from './schedule.ts';

/**
 * Listens to what is said over links about writers: before a store sends what is pending, all other writers that could
 * still carry it, as far as it knows them, have to be fenced, and nothing of those may get into the log any more.
 */
export interface Greetings {
  /** A tab has read from its device what another open of a store left there. */
  loaded(tab: Party, mutation: string, writer: number): void;
  /** `link` is one object for each link. */
  sent(tab: Party, link: object, isUp: boolean, message: Uint8Array): void;
  /** A message has come to the relay. Returns how many mutations in it the log holds already. */
  repeats(message: Uint8Array): number;
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

  function sends(tab: Party, { key, writer }: MutateFrame): void {
    const mutation = mutationId(key);
    carry(tab, mutation, writer);
    for (const other of carriers.get(tab)?.get(mutation) ?? []) {
      if (other === writer || fenced.has(other)) continue;
      ledger.violated(`${tab.name} sends ${mutation}, and nobody has fenced writer ${other}, which may carry it too`);
    }
  }

  return {
    loaded: carry,
    repeats(message) {
      const frames = splitMessage(message).map(decodeFrame);
      return frames.filter((frame) => frame.type === 'mutate' && ledger.isAccepted(mutationId(frame.key))).length;
    },
    sent(tab, link, isUp, message) {
      if (!isUp && answered.has(link)) return;
      for (const bytes of splitMessage(message)) {
        const frame = decodeFrame(bytes);
        if (frame.type === 'mutate') sends(tab, frame);
        else if (frame.type === 'hello') hellos.set(link, frame);
        else if (frame.type === 'welcome') {
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
