import { jsonSchemaOf } from '../../schema/json-schema.ts';
import { PROBLEM } from '../web/openapi.ts';
import type { PathItem } from '../web/router.ts';
import type { ServedFlow } from './define-flow.ts';

const EVENTS = { description: 'The events of the request', content: { 'text/event-stream': { schema: { type: 'string' } } } };
const DONE = { description: 'It is done' };

/** An object of these fields; those with a question mark may be left out. */
function object(fields: Readonly<Record<string, object>>): object {
  const names = Object.keys(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name.replace('?', ''), fields[name]])),
    required: names.filter((name) => !name.endsWith('?')),
  };
}

const json = (schema: object): object => ({ 'application/json': { schema } });
const TEXT = { type: 'string' };
const CALL = object({ id: TEXT, flowKind: TEXT, actionName: TEXT, sessionId: TEXT });
const OF_SESSION = object({ id: TEXT });
const KEPT = json(object({ status: { const: 'in_progress' }, requestId: TEXT, request: CALL, session: OF_SESSION }));
const STATUS = json(
  object({
    status: { enum: ['in_progress', 'completed', 'failed', 'aborted'] },
    requestId: TEXT,
    request: CALL,
    session: OF_SESSION,
    'result?': { description: 'What the action returned, once it is completed' },
    'error?': { $ref: '#/components/schemas/Error' },
  }),
);
const ITEM = object({
  id: TEXT,
  requestId: TEXT,
  role: { enum: ['user', 'assistant', 'system', 'tool'] },
  text: TEXT,
  status: { enum: ['in_progress', 'done', 'incomplete'] },
  at: { type: 'number', description: 'When it was added, in milliseconds since 1970' },
  'parts?': { type: 'array', items: {} },
});
const CONVERSATION = json(object({ session: OF_SESSION, items: { type: 'array', items: ITEM }, requests: { type: 'array', items: CALL } }));

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

/** What each flow answers, action by action. `isOpen`: nobody is asked who they are. */
export function flowPaths(flows: ReadonlyMap<string, ServedFlow>, isOpen: boolean): Readonly<Record<string, PathItem>> {
  const security = isOpen ? {} : { security: [{ token: [] }] };
  const paths = [...flows.values()].flatMap((flow) => Object.entries(pathsOf(flow)));
  return Object.fromEntries(
    paths.map(([path, item]) => [
      path,
      Object.fromEntries(Object.entries(item).map(([method, operation]) => [method, { ...operation, ...security }])),
    ]),
  );
}

function pathsOf({ kind, actions }: ServedFlow): Readonly<Record<string, PathItem>> {
  const base = `/api/flows/${kind}`;
  const paths: Record<string, PathItem> = {
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
        responses: { 200: { ...DONE, content: STATUS }, default: PROBLEM },
      },
    },
    [`${base}/requests/{requestId}/abort`]: {
      post: { summary: 'Ends a request', parameters: [REQUEST], responses: { 204: DONE, default: PROBLEM } },
    },
    [`${base}/{sessionId}`]: {
      get: {
        summary: 'A session: its items, and the requests under way',
        parameters: [SESSION],
        responses: { 200: { ...DONE, content: CONVERSATION }, default: PROBLEM },
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
          responses: { 202: { description: 'It is kept, and will be worked on', content: KEPT }, 200: EVENTS, default: PROBLEM },
        },
      };
    }
  }
  return paths;
}
