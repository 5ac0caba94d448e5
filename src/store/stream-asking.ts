import type { StoreLink } from './store-wire.ts';
import type { Core } from './core.ts';
import type { Runs } from './runs.ts';

/**
 * Asks the relay for runs that the app looks at and of which nothing has been heard, each once for a link; later for those
 * that the relay cannot know yet, because what asks for them has not been judged.
 */
export function askForStreams(
  { streams, replica }: Pick<Core, 'streams' | 'replica'>,
  runs: Pick<Runs, 'isUnheard'>,
  { link, asked }: { readonly link: StoreLink; readonly asked: Set<string> },
): void {
  for (const run of streams.wanted()) {
    const mutation = run.slice(0, run.lastIndexOf(':'));
    if (asked.has(run) || replica.pending.has(mutation) || replica.foreign.has(mutation) || runs.isUnheard(run)) continue;
    asked.add(run);
    link.send({ type: 'resume', ...streams.place(run) });
  }
}
