import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { csrf } from 'hono/csrf';
import type { Config } from '../shared/config.ts';
import type { Supervisor } from './supervisor.ts';

/** Serves the built page from a folder. What has a hash in its name is kept by browsers; pages are asked for each time. */
export function createPages(root: string, relay: Pick<Supervisor, 'isUp' | 'ready' | 'kill'>): Hono {
  return new Hono()
    .get('/healthz', (context) => context.json({ status: relay.isUp ? 'ok' : 'down' }, relay.isUp ? 200 : 503))
    .get('/config.json', async (context) => {
      context.header('Cache-Control', 'no-store');
      return context.json<Config>({ relayPort: (await relay.ready()).port });
    })
    .post('/relay/kill', csrf(), async (context) => context.json(await relay.kill()))
    .use(
      serveStatic({
        root,
        onFound: (path, context) => {
          context.header('Cache-Control', path.endsWith('.html') ? 'no-cache' : 'public, max-age=31536000, immutable');
        },
      }),
    );
}
