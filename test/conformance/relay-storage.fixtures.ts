import { isCotableError } from 'cotable';
import { expect } from 'vitest';
import type { Acceptance, RelayStorage } from '../../src/ports/relay-storage.ts';
import type { QueuedRun } from '../../src/ports/run-storage.ts';
import { openRuns } from '../fixtures/open-runs.ts';

export const MAX = Number.MAX_SAFE_INTEGER;
export const BIRTH = { lineage: 7, epoch: 1, schemaVersion: 1 };
export const REFUSAL = { code: 'chat.muted', params: { until: 5, who: ['ann', null] } };

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export interface AcceptanceParts {
  readonly replica?: number;
  readonly counter?: number;
  readonly writer?: number;
  readonly owner?: string;
  readonly number?: number;
  readonly bytes?: Uint8Array;
  readonly runs?: readonly QueuedRun[];
}

/** One mutation of replica 1 and writer 1 of ann's, numbered by its place in the log, unless told otherwise. */
export function acceptance(seq: number, parts: AcceptanceParts = {}): Acceptance {
  return {
    entry: { seq, bytes: parts.bytes ?? bytesOf(`entry ${seq}`) },
    mark: { replica: parts.replica ?? 1, counter: parts.counter ?? seq },
    writer: { writer: parts.writer ?? 1, owner: parts.owner ?? 'ann', number: parts.number ?? seq },
    runs: parts.runs ?? [],
  };
}

/** The acceptances of `from` to `to`. */
export function acceptances(from: number, to: number, parts: AcceptanceParts = {}): Acceptance[] {
  return Array.from({ length: to - from + 1 }, (_, index) => acceptance(from + index, parts));
}

export function run(id: string, queuedAt: number): QueuedRun {
  return { id, name: 'chat.answer', input: `{"id":${JSON.stringify(id)}}`, userId: 'ann', queuedAt };
}

/** A room with `count` entries of replica 1 and writer 1. */
export async function filledRoom(storage: RelayStorage, room: string, count: number): Promise<void> {
  await storage.openRoom(room, BIRTH);
  await storage.accept(room, { epoch: BIRTH.epoch, after: 0 }, acceptances(1, count));
}

/** All that a room shows of the replicas, counters and writers 1 to 9. */
export async function everything(storage: RelayStorage, room: string): Promise<unknown> {
  const digits = Array.from({ length: 9 }, (_, index) => index + 1);
  return {
    stored: await storage.openRoom(room, BIRTH),
    entries: await storage.entries(room, 0, MAX),
    outcomes: await storage.outcomes(
      room,
      digits.flatMap((replica) => digits.map((counter) => ({ replica, counter }))),
    ),
    counters: await storage.lastCounters(room, digits),
    writers: await storage.writers(room, digits),
    runs: await openRuns(storage, room),
  };
}

/** Waits for a call to be refused and answers its code, so that a test reads as `expect(await codeOf(...)).toBe(...)`. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => 'resolved',
    (reason: unknown) => reason,
  );
  if (error === 'resolved') return error;
  expect(isCotableError(error), String(error)).toBe(true);
  return (error as { readonly code: string }).code;
}
