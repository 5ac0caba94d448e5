import { createJiti } from 'jiti';
import type { BackendConfig } from '../relay/backend.ts';
import type { AnySchema } from '../schema/schema.ts';
import { explain } from './explain.ts';
import { failure } from './failure.ts';

const EXPORT_IT = 'Export it by its name: export const backend = defineBackendConfig({ schema, mutators });';

/**
 * The backend that a module exports: as `backend`, as its default, or as `schema`, `mutators` and `actions` by name.
 * TypeScript is taken as it is, and not checked. What the module imports is resolved from where it stands. Throws a
 * failure that names the file when it cannot be loaded, or exports no backend.
 */
export async function loadBackend(file: string): Promise<BackendConfig<AnySchema>> {
  const exported = await load(file);
  const found = exported['backend'] ?? exported['default'] ?? exported;
  if (!isObject(found) || !('schema' in found || 'mutators' in found)) {
    const names = Object.keys(exported).join(', ');
    throw failure(1, `${file} exports no backend${names && `, but ${names}`}`, EXPORT_IT);
  }
  const { schema, mutators } = found;
  if (!isObject(schema) || !isObject(schema['tables']) || !isObject(schema['mutators'])) {
    throw failure(1, `${file}: the schema of the backend is not one`, 'Make it with defineSchema({ ... }).');
  }
  if (!isObject(mutators)) {
    throw failure(1, `${file}: the backend has no mutators`, 'Make them with defineMutators<typeof schema>({ ... }).');
  }
  return found as unknown as BackendConfig<AnySchema>;
}

async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  // As Node would do it: nothing is written anywhere, and a default export is what it is.
  const jiti = createJiti(file, { fsCache: false, interopDefault: false });
  try {
    return await jiti.import<Readonly<Record<string, unknown>>>(file);
  } catch (error) {
    throw failure(1, `${file} cannot be loaded`, ...explain(error));
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
