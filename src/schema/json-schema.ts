import type { Validator } from './validator.ts';

type Json = Readonly<Record<string, unknown>>;

/** What says JSON Schema of itself, by the Standard JSON Schema specification: zod from 4.2 on, arktype, valibot through its converter. */
interface Describing {
  readonly vendor: string;
  readonly jsonSchema?: {
    input(options: { readonly target: string }): Json;
    output(options: { readonly target: string }): Json;
  };
}

/**
 * What a validator takes (`input`) or gives (`output`), as JSON Schema 2020-12 that stands at `place` of a larger document. Of
 * a validator that cannot say it allows anything, with a description.
 */
export function jsonSchemaOf(validator: Validator, side: 'input' | 'output', place: string): Json {
  const { vendor, jsonSchema }: Describing = validator['~standard'];
  if (!jsonSchema) return { description: `Validated by ${vendor}, which does not say how.` };
  try {
    const schema = { ...jsonSchema[side]({ target: 'draft-2020-12' }) };
    // The document around it says which.
    delete schema['$schema'];
    return moved(schema, place) as Json;
  } catch (error) {
    // Dates, transforms, custom checks: there is no JSON Schema for these.
    return { description: `Validated by ${vendor}, which cannot say how: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** References within a schema begin at its own root. */
function moved(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((item) => moved(item, place));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === '$ref' && typeof item === 'string' && item.startsWith('#') ? place + item.slice(1) : moved(item, place),
    ]),
  );
}
