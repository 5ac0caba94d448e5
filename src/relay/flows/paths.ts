import { jsonSchemaOf } from '../../schema/json-schema.ts';
import { PROBLEM } from '../web/openapi.ts';
import type { ServedFlow } from './define-flow.ts';

const EVENTS = { description: 'The events of the request', content: { 'text/event-stream': { schema: { type: 'string' } } } };
const OBJECT = { 'application/json': { schema: { type: 'object' } } };
const DONE = { description: 'It is done' };

const parameter = (where: 'path' | 'query' | 'header', name: string, description: string): object => ({
  name,
  in: where,
  description,
  required: where === 'path',
  schema: { type: 'string' },
});

const KEY = parameter('header', 'idempotency-key', 'The same again is the same request, for 24 hours');
const REQUEST = parameter('path', 'requestId', 'As the answer to the action says it');
const SESSION = parameter('path', 'sessionId', 'As the answer to the action says it');

/** What each flow answers, action by action. */
export function flowPaths(flows: ReadonlyMap<string, ServedFlow>): Readonly<Record<string, object>> {
  return Object.assign({}, ...[...flows.values()].map(pathsOf)) as Readonly<Record<string, object>>;
}

function pathsOf({ kind, actions }: ServedFlow): Readonly<Record<string, object>> {
  const base = `/api/flows/${kind}`;
  const paths: Record<string, object> = {
    [`${base}/requests/{requestId}/stream`]: {
      get: {
        summary: 'What is said of a request, as server-sent events',
        parameters: [
          REQUEST,
          parameter('header', 'last-event-id', 'Goes on behind this event'),
          parameter('query', 'starting_after', 'The same, where no header can be set'),
        ],
        responses: { 200: EVENTS, 204: { description: 'Nothing comes any more' }, default: PROBLEM },
      },
    },
    [`${base}/requests/{requestId}/status`]: {
      get: {
        summary: 'How a request stands',
        parameters: [REQUEST],
        responses: { 200: { ...DONE, content: OBJECT }, default: PROBLEM },
      },
    },
    [`${base}/requests/{requestId}/abort`]: {
      post: { summary: 'Ends a request', parameters: [REQUEST], responses: { 204: DONE, default: PROBLEM } },
    },
    [`${base}/{sessionId}`]: {
      get: {
        summary: 'A session: its items, and the requests under way',
        parameters: [SESSION],
        responses: { 200: { ...DONE, content: OBJECT }, default: PROBLEM },
      },
    },
  };
  for (const [name, { inputSchema }] of Object.entries(actions)) {
    for (const [path, parameters] of [
      [`${base}/actions/${name}`, [KEY]],
      [`${base}/{sessionId}/actions/${name}`, [SESSION, KEY]],
    ] as const) {
      const place = `#/paths/${path.replaceAll('/', '~1')}/post/requestBody/content/application~1json/schema/properties/input`;
      const properties = { input: jsonSchemaOf(inputSchema, 'input', place), userId: { type: 'string' } };
      paths[path] = {
        post: {
          summary: `${kind}: ${name}`,
          parameters,
          requestBody: { required: true, content: { 'application/json': { schema: { type: 'object', properties, required: ['input'] } } } },
          responses: { 202: { description: 'It is kept, and will be worked on', content: OBJECT }, 200: EVENTS, default: PROBLEM },
        },
      };
    }
  }
  return paths;
}
