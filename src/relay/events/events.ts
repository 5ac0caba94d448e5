import { digest } from 'lib0/hash/sha256';
import { encodeUtf8 } from 'lib0/string';
import { CotableError } from '../../errors.ts';
import { checkEventName, checkEventVersion } from '../../schema/events.ts';
import type { ActionShapes, StreamDefinition } from '../../schema/schema.ts';
import type { Validator } from '../../schema/validator.ts';
import { toWellFormed } from '../../util/text.ts';
import type { Declared } from '../stream-pieces.ts';
import type { AnyEvent, DefinedEvents } from './define-events.ts';

/** A piece is for `onStream` of who asked, or for callbacks. */
export const FOR_ASKER = 0;
export const FOR_CALLBACKS = 1;

/** One version of an event, with what the engine calls it. */
export interface KnownEvent {
  readonly name: string;
  readonly version: string;
  /** The action of which a request is a run. */
  readonly action: string;
  readonly event: AnyEvent;
  /** Whether nobody need be known to ask for it. */
  readonly isOpen: boolean;
  /** What `recipient` may say. */
  readonly recipientStream: Declared;
}

/** What a run of an event is given. */
export interface EventInput {
  readonly data: unknown;
  readonly ignoreSelf: boolean;
}

/** The events of a backend, by name and version. */
export interface EventTable {
  readonly all: readonly KnownEvent[];
  /** Whether there is one for nobody that is known. */
  readonly hasOpen: boolean;
  readonly functions: object;
  readonly shapes: ActionShapes;
  /** Throws `routing.invalidServiceRouteName`, `sync.invalidVersion` or `sync.notFound`. */
  find(name: unknown, version: unknown): KnownEvent;
}

export function createEventTable(events: DefinedEvents | undefined): EventTable {
  const all: KnownEvent[] = [];
  const shapes: Record<string, ActionShapes[string]> = {};
  for (const [name, versions] of Object.entries(events?.definitions ?? {})) {
    for (const [version, event] of Object.entries(versions)) {
      const action = `sync:${name}/${version}`;
      const recipientStream = { name: action, definition: tagged(event.recipientStream) };
      all.push({ name, version, action, event, isOpen: event.auth?.login === false, recipientStream });
      const stream = tagged(event.stream);
      shapes[action] = { input: inputOf(event.input), output: ANYTHING, ...(stream && { stream }) };
    }
  }
  const byAction = new Map(all.map((known) => [known.action, known]));
  return {
    all,
    hasOpen: all.some(({ isOpen }) => isOpen),
    functions: events?.functions ?? {},
    shapes,
    find(name, version) {
      checkEventName(name);
      checkEventVersion(version);
      const known = byAction.get(`sync:${name}/${version}`);
      if (!known) throw new CotableError('sync.notFound', { name, version });
      return known;
    },
  };
}

/** The run of a request: a user's key and an event name it, for clients too, who find the callback of a stream by what it begins with. */
export function syncRunId({ name, version }: KnownEvent, userId: string, request: string): string {
  const bytes = digest(encodeUtf8(JSON.stringify([userId, request].map(toWellFormed))));
  return `${name}/${version}~${Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

type Checked = ReturnType<Validator['~standard']['validate']>;

/** Checks what a validator is made of here: `check` gets the value. */
function validator(check: (value: unknown) => Checked): Validator {
  return { '~standard': { version: 1, vendor: 'cotable', validate: check } };
}

/** Takes whatever is plain JSON. */
export const ANYTHING = validator((value) => ({ value }));

/** `{ data, ignoreSelf }` with `data` as the event's validator gives it; issues are of `data` alone. */
function inputOf(input: Validator): Validator {
  return validator((value) => {
    const { data, ignoreSelf } = value as EventInput;
    return then(input['~standard'].validate(data), (given) => ({ data: given, ignoreSelf }));
  });
}

/** Whatever the kind, each piece goes on as an item `[whom it is for, piece]`. */
function tagged(definition: StreamDefinition | undefined): StreamDefinition | undefined {
  if (!definition) return undefined;
  const of = definition.kind === 'text' ? TEXT : definition.of;
  const pair = validator((value) => {
    const [to, piece] = value as readonly [number, unknown];
    return then(of['~standard'].validate(piece), (given) => [to, given]);
  });
  return { kind: 'items', of: pair };
}

const TEXT = validator((value) =>
  typeof value === 'string' ? { value } : { issues: [{ message: 'a piece of a text stream is a string' }] },
);

/** An answer that is a promise is refused by who asked. */
function then(checked: Checked, wrap: (value: unknown) => unknown): Checked {
  if ('then' in checked || checked.issues) return checked;
  return { value: wrap(checked.value) };
}
