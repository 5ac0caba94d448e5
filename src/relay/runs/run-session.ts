import type { StoredRun } from '../../ports/run-storage.ts';
import type { AnySchema, Session } from '../../schema/schema.ts';
import { freezeJson, type JsonObject } from '../../util/json.ts';

/** What a run keeps of the session of who asks: what the schema declares, as JSON text. `undefined`: nothing but who it is. */
export function toKept(schema: AnySchema, session: Session | undefined): string | undefined {
  // What no schema lets through may be anything, and is for rules and hooks alone.
  if (!schema.session || !session) return undefined;
  const fields = Object.entries(session).filter(([field]) => field !== 'userId');
  return fields.length === 0 ? undefined : JSON.stringify(Object.fromEntries(fields));
}

/** The session of who asked for a run, as of then. */
export function sessionOfRun({ userId, session }: Pick<StoredRun, 'userId' | 'session'>): Session {
  const fields = session === undefined ? {} : (JSON.parse(session) as JsonObject);
  const whole = { ...fields, userId };
  freezeJson(whole);
  return whole;
}
