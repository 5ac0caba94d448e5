import type { RelayHealth } from '../relay.ts';
import { PROBLEM } from './openapi.ts';
import type { RequestBindings, Router } from './router.ts';

/** `GET /healthz`: that the process answers. */
export function healthRouter(health: () => RelayHealth): Router {
  return {
    paths: {
      '/healthz': {
        get: { summary: 'Whether the relay is up', responses: { 200: { description: 'It is' }, 503: { description: 'It shuts down' } } },
      },
    },
    mount(app) {
      app.get('/healthz', (context) => {
        const state = health();
        return context.json(state, state.status === 'ok' ? 200 : 503);
      });
    },
  };
}

/** `/link`: links over HTTP, for stores. */
export function linkRouter(links: { fetch(request: Request, from: RequestBindings): Promise<Response> }): Router {
  return {
    paths: {
      '/link': {
        get: {
          summary: 'Opens a link of a store, which brings messages down',
          responses: {
            200: { description: 'It is open', content: { 'text/event-stream': { schema: { type: 'string' } } } },
            default: PROBLEM,
          },
        },
        post: {
          summary: 'Brings messages of that link up',
          requestBody: { content: { 'application/octet-stream': {} } },
          responses: { 204: { description: 'They are taken' }, default: PROBLEM },
        },
      },
    },
    readsBodies: true,
    mount(app) {
      app.on(['GET', 'POST'], '/link', ({ req, env }) => links.fetch(req.raw, env));
    },
  };
}
