import { isCotableError } from 'cotable';
import { MAX_TEXT } from '../shared/mutators.ts';

/** An error as people read it: its code, and what to do. */
export interface Explanation {
  readonly code: string;
  readonly text: string;
}

/** What this app says in its own words: of the codes it made up itself, and of one that means something to its readers. */
const OWN: Readonly<Record<string, string>> = {
  'chat.empty': 'Write something first.',
  'chat.tooLong': `A message has room for ${MAX_TEXT} characters.`,
  'chat.notYours': 'Only who wrote a message may change it.',
  'row.notFound': 'The message is not in the room any more.',
  'storage.closed': 'What was kept here was deleted while this page was open. What you write is sent; reload to keep it here too.',
  'storage.corrupt': 'What the relay has comes back by itself. What was still pending here is lost.',
  'storage.quota': 'There is no space left. What you write is sent, and lost with this page until then.',
  'storage.blocked': 'Another tab holds up what is kept here. Close the other tabs and reload.',
};

export function explain(error: unknown): Explanation {
  if (!isCotableError(error)) return { code: 'error', text: String(error) };
  const { code, message, hint } = error;
  return { code, text: OWN[code] ?? `${message}. ${hint}` };
}
