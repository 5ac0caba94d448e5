import { jsonSchemaOf } from '../../schema/json-schema.ts';
import type { AnySchema } from '../../schema/schema.ts';
import type { Validator } from '../../schema/validator.ts';
import type { PathItem, Router } from './router.ts';

/** The shape of every error. */
const ERROR = {
  type: 'object',
  properties: {
    status: { const: 'error' },
    errorCode: { type: 'string', description: 'Stable: compare it, translate it' },
    errorParams: { type: 'object' },
    message: { type: 'string', description: 'English for developers; may change' },
    httpStatus: { type: 'integer' },
  },
  required: ['status', 'errorCode', 'errorParams', 'message', 'httpStatus'],
};

/** An answer of a path item that is an error. */
export const PROBLEM = {
  description: 'An error',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

/** The OpenAPI 3.1 document of a relay: its routes, and what its schema declares. */
export function openApiOf(schema: AnySchema, routers: readonly Router[]): Readonly<Record<string, unknown>> {
  const schemas: Record<string, object> = { Error: ERROR };
  const add = (name: string, validator: Validator, side: 'input' | 'output', description?: string): void => {
    const described = jsonSchemaOf(validator, side, `#/components/schemas/${name}`);
    schemas[name] = description === undefined ? described : { ...described, description };
  };
  for (const [name, { schema: table, description }] of Object.entries(schema.tables))
    add(`tables.${name}`, table.row, 'output', description);
  for (const [name, { input, description }] of Object.entries(schema.mutators)) add(`mutators.${name}.input`, input, 'input', description);
  for (const [name, { input, output, description }] of Object.entries(schema.actions)) {
    add(`actions.${name}.input`, input, 'input', description);
    add(`actions.${name}.output`, output, 'output');
  }
  if (schema.session) add('session', schema.session, 'output');
  const paths = routers.flatMap((router) => Object.entries(router.paths));
  return {
    openapi: '3.1.0',
    info: { title: 'Cotable relay', version: String(schema.schemaVersion) },
    // Where the document itself lies, wherever the relay is mounted.
    servers: [{ url: '.' }],
    paths: Object.fromEntries(paths.map(([path, item]) => [path, named(path, item)])),
    components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  };
}

/** Operations have ids, by which generated clients call them: `post.api.flows.my-app.actions.chat`. Names in paths have no dots. */
function named(path: string, item: PathItem): PathItem {
  const place = path.replaceAll('/', '.').replaceAll(/[{}]/g, '');
  return Object.fromEntries(
    Object.entries(item).map(([method, operation]) => [method, { operationId: `${method}${place}`, ...operation }]),
  );
}
