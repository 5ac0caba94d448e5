import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { asCotableError, CotableError } from '../../errors.ts';
import type { Logger } from '../../ports/logger.ts';
import type { AnySchema } from '../../schema/schema.ts';
import { forStrangers } from '../for-strangers.ts';
import { bearerOf } from '../guard.ts';
import { openApiOf } from './openapi.ts';
import type { RequestBindings, Router, WebEnv } from './router.ts';

/** All that a relay answers over HTTP. */
export interface Web {
  fetch(request: Request, bindings: RequestBindings): Promise<Response>;
}

/** Browsers need not ask again for this long whether they may. */
const PREFLIGHT_S = 7_200;

export function createWeb(options: {
  readonly schema: AnySchema;
  /** Each door adds its routes. */
  readonly routers: readonly Router[];
  /** Pages that may call. Left out: any, without cookies. */
  readonly origins: readonly string[] | undefined;
  readonly maxBodyBytes: number;
  readonly logger: Logger;
}): Web {
  const { schema, routers, origins, maxBodyBytes, logger } = options;
  const app = new Hono<WebEnv>();
  let document: ReturnType<typeof openApiOf> | undefined;

  app.use(requestId());
  app.use(
    cors({
      origin: origins ? [...origins] : '*',
      credentials: origins !== undefined,
      exposeHeaders: ['x-request-id', 'x-session-id', 'location', 'retry-after'],
      maxAge: PREFLIGHT_S,
    }),
  );
  app.use(async (context, next) => {
    const origin = context.req.header('origin');
    // Without CORS the answer is out of reach for a page, but not what it makes happen here.
    if (origins && origin && !origins.includes(origin)) throw new CotableError('request.originRefused', { origin });
    const headers = context.req.header();
    context.set('handshake', { token: bearerOf(headers), headers, ip: context.env.ip });
    await next();
  });
  for (const router of routers) if (router.readsBodies) router.mount(app);
  app.use(async ({ req }, next) => {
    if (!req.header('content-length') && req.raw.body) req.raw = asOwn(req.raw);
    await next();
  });
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError() {
        throw new CotableError('request.tooLarge', { limit: maxBodyBytes });
      },
    }),
  );
  app.get('/openapi.json', (context) => context.json((document ??= openApiOf(schema, routers))));
  for (const router of routers) if (!router.readsBodies) router.mount(app);

  app.notFound(({ req }) => answer(new CotableError('request.notFound', { method: req.method, path: req.path })));
  app.onError((error, { req, get }) => {
    const reason = asCotableError(error, () => new CotableError('request.failed', {}, { cause: error }));
    if (reason.httpStatus >= 500) logger.error({ requestId: get('requestId'), path: req.path, error }, 'a request failed');
    return answer(forStrangers(reason));
  });

  return { fetch: async (request, bindings) => app.fetch(request, bindings) };
}

/** What has no length is limited in a copy of the request, which the platform makes of its own requests alone, and not of a server's. */
function asOwn({ url, method, headers, body, signal }: Request): Request {
  const init = { method, headers, body, signal, duplex: 'half' };
  return new Request(url, init);
}

function answer(error: CotableError): Response {
  const { seconds }: { readonly seconds?: unknown } = error.params;
  const headers = typeof seconds === 'number' ? { 'retry-after': String(Math.ceil(seconds)) } : undefined;
  return Response.json(error.toJSON(), { status: error.httpStatus, headers });
}
