import { scan } from './scan.ts';

/** Ways in that ask for runs. The engine has the queue, the retries, the timers of runs and what their streams said. */
const doors = ['src/relay/events/', 'src/relay/flows/'];

/** What a door may set a timer for. */
const timers: Readonly<Record<string, string>> = {
  'src/relay/events/peers.ts': 'signs of life of other relays, and how long their answer is waited for',
  'src/relay/events/recipients.ts': 'how long a per-recipient handler may take, and the turn of others in between',
};

/** What a door is handed of the engine, besides types: how its policies are made. */
const engine = 'runs/policy.ts';

/** Calls that queue, claim, give back and end runs, or keep what streams said. */
const calls = /\b(queueRun|claimRun|renewRuns|releaseRun|parkRun|cancelRun|redriveRun|freeRuns|dueRuns|keepStep|keepStreams)\b/;

/** Where a door does what the engine is for, sentence by sentence. `files`: the text of every code file by its path. */
export function doorViolations(files: ReadonlyMap<string, string>): string[] {
  const violations: string[] = [];
  for (const [path, text] of files) {
    if (!doors.some((door) => path.startsWith(door))) continue;
    const call = calls.exec(text);
    if (call) violations.push(`${path}: ${call[1]} is for the engine`);
    if (/\bset(Timeout|Interval|Immediate)\b/.test(text)) violations.push(`${path}: sets a timer by itself`);
    if (/\bclock\.after\b/.test(text) && !timers[path]) violations.push(`${path}: sets a timer that nobody has allowed`);
    for (const { specifier = '', typeOnly } of scan(path, text).references) {
      if (/\/runs\//.test(specifier) && !typeOnly && !specifier.endsWith(engine)) violations.push(`${path}: ${specifier} is the engine`);
      if (/stream-(log|source)\.ts$/.test(specifier) && !typeOnly) violations.push(`${path}: ${specifier} keeps what streams said`);
    }
  }
  return violations;
}
