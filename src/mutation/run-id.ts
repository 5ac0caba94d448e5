import { digest } from 'lib0/hash/sha256';
import { encodeUtf8 } from 'lib0/string';
import { toWellFormed } from '../util/text.ts';

/** A run that enqueues a run that enqueues a run ... has a longer name each time: longer ones than this go by their digest. */
const MAX_NAME = 160;

/** The run that the `count`th thing a mutation asked of runs is about. */
export function intentRunId(mutationId: string, count: number): string {
  return shortened(`${mutationId}:${count}`);
}

/** The run that an attempt of another asked for, by itself. */
export function childRunId(run: string, attempt: number, count: number): string {
  return shortened(`${run}/${attempt}:${count}`);
}

/** The run of a user that goes by an idempotency key: the same wherever it is asked for in a room. */
export function keyedRunId(userId: string, name: string, key: string): string {
  return shortened(`key:${[userId, name, key].map((part) => encodeURIComponent(toWellFormed(part))).join(':')}`);
}

/** Whether a store may give a run this name: nobody's keys, and nothing that mutations or other runs ask for, go by it. */
export function isDirectRunId(id: string): boolean {
  return /^[0-9a-z]{1,11}-\d{1,16}:0$/.test(id);
}

function shortened(name: string): string {
  if (name.length <= MAX_NAME) return name;
  return `run-${Array.from(digest(encodeUtf8(name)).subarray(0, 20), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
