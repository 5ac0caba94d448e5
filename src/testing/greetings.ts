import { mutationId } from '../mutation/mutation-id.ts';
import { decodeFrame } from '../protocol/codec.ts';
import { FIRST_PICKED_WRITER } from '../ports/writer-ids.ts';
import type { ByeFrame, HelloFrame, MutateFrame, WelcomeFrame } from '../protocol/frames.ts';
import { splitMessage } from '../protocol/message.ts';
import type { Ledger } from './ledger.ts';
import type { Kind } from './report.ts';
import type { Party } from './schedule.ts';

/**
 * Listens to what is said over links about writers: before a store sends what is pending, all other writers that could
 * still carry it, as far as it knows them, have to be fenced, and nothing of those may get into the log any more. And of
 * all opens of stores only one has a writer, until it has given it back.
 */
export interface Greetings {
  /** A tab has read from its device what another open of a store left there. */
  loaded(tab: Party, mutation: string, writer: number): void;
  /** `link` is one object for each link. */
  sent(tab: Party, link: object, isUp: boolean, message: Uint8Array): void;
  /** A message has come to the relay. Returns how many mutations in it the log holds already. */
  repeats(message: Uint8Array): number;
}

export function createGreetings(ledger: Ledger, count: (kind: Kind) => void): Greetings {
  /** By tab and mutation: the writers it was sent by, or may have been. */
  const carriers = new WeakMap<Party, Map<string, Set<number>>>();
  const hellos = new WeakMap<object, HelloFrame>();
  const answered = new WeakSet<object>();
  const fenced = new Set<number>();
  /** Each mutation with each writer that it was sent by. */
  const sent = new Set<string>();
  /** Which replica was told last that a writer is its own, and which gave it back. */
  const holders = new Map<number, number>();
  const returned = new Map<number, number>();

  function carry(tab: Party, mutation: string, writer: number): void {
    let known = carriers.get(tab);
    if (!known) carriers.set(tab, (known = new Map()));
    const writers = known.get(mutation);
    if (writers) writers.add(writer);
    else known.set(mutation, new Set([writer]));
  }

  function isTold({ writer }: WelcomeFrame, { replica }: HelloFrame): void {
    const before = holders.get(writer);
    if (before === replica) return;
    if (before !== undefined && returned.get(writer) !== before)
      ledger.violated(`writer ${writer} has a new holder, and was not given back`);
    if (writer < FIRST_PICKED_WRITER) count(before === undefined ? 'leases' : 'reuses');
    holders.set(writer, replica);
  }

  function isFenced(frame: WelcomeFrame, { fence, writer: named }: HelloFrame): void {
    for (const writer of named === 0 || named === frame.writer ? fence : [...fence, named]) {
      // Another user may have it by now.
      if (returned.has(writer)) continue;
      fenced.add(writer);
      ledger.fenced(writer);
    }
  }

  function givesBack(tab: Party, { writer }: ByeFrame, { replica }: HelloFrame): void {
    count('returns');
    if (holders.get(writer) !== replica) ledger.violated(`${tab.name} gives back writer ${writer}, which it does not have`);
    returned.set(writer, replica);
  }

  function sends(tab: Party, { key, writer }: MutateFrame, { replica }: HelloFrame): void {
    const mutation = mutationId(key);
    if (holders.get(writer) !== replica || returned.get(writer) === replica)
      ledger.violated(`${tab.name} sends ${mutation} by writer ${writer}, which it does not have`);
    sent.add(`${mutation} ${writer}`);
    carry(tab, mutation, writer);
    for (const other of carriers.get(tab)?.get(mutation) ?? []) {
      if (other === writer || fenced.has(other) || returned.has(other) || !sent.has(`${mutation} ${other}`)) continue;
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
        if (frame.type === 'hello') hellos.set(link, frame);
        const hello = hellos.get(link);
        if (!hello) continue;
        if (frame.type === 'mutate') sends(tab, frame, hello);
        else if (frame.type === 'bye') givesBack(tab, frame, hello);
        else if (frame.type === 'welcome') {
          answered.add(link);
          isFenced(frame, hello);
          isTold(frame, hello);
        }
      }
    },
  };
}
