import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';

/** Serves the built page from a folder. What has a hash in its name is kept by browsers; pages are asked for each time. */
export function createPages(root: string, health: (request: Request) => Promise<Response>): Hono {
  return new Hono()
    .get('/healthz', (context) => health(context.req.raw))
    .use(
      serveStatic({
        root,
        onFound: (path, context) => {
          context.header('Cache-Control', path.endsWith('.html') ? 'no-cache' : 'public, max-age=31536000, immutable');
        },
      }),
    );
}
