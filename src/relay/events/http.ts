import type { Hono } from 'hono';
import { asCotableError, CotableError, isCotableError } from '../../errors.ts';
import { randomName } from '../../mutation/mutation-id.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { jsonSchemaOf } from '../../schema/json-schema.ts';
import type { Caller, Guard } from '../guard.ts';
import { EVENT_STREAM_HEADERS, toEventStream, type ServerSentEvent } from '../web/event-stream.ts';
import { PROBLEM } from '../web/openapi.ts';
import type { PathItem, Router, WebEnv } from '../web/router.ts';
import type { AskedEvent, EventCaller, TakenEvent } from './door.ts';
import type { KnownEvent } from './events.ts';
import { failed, type Outcome } from './messages.ts';
import type { RoomEvents } from './room-events.ts';

/** A request as it is read. `userId` is what it calls itself: see `Guard.identify`. */
interface Body extends Pick<AskedEvent, 'room' | 'data' | 'ignoreSelf' | 'requireReceivers'> {
  readonly idempotencyKey: string | undefined;
  readonly userId: string | undefined;
}

/** `POST /sync/{name...}/{version}`: asks for an event. It is delivered over links; the answer, and what is said to who asked, comes here. */
export function syncRouter(options: {
  readonly events: RoomEvents;
  readonly guard: Guard;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
}): Router {
  const { events, guard, random, clock, logger } = options;

  /** `undefined`: nobody that is known, whom some events are for, too. */
  async function known(handshake: WebEnv['Variables']['handshake'], { userId }: Body): Promise<Caller | undefined> {
    return guard.identify(handshake, userId).catch((error: unknown) => {
      if (!isCotableError(error, 'auth.required')) throw error;
      return undefined;
    });
  }

  function toEventCaller(caller: Caller | undefined, ip: string, room: string): EventCaller {
    return {
      userId: caller?.userId ?? '',
      session: caller?.session ?? null,
      // It has no link: what is said to it alone goes by this name.
      sessionId: nameOf(random),
      ip,
      async mayAsk() {
        if (caller && !(await guard.mayWrite(caller, room))) throw new CotableError('auth.forbidden', { room });
      },
    };
  }

  async function* tell(taken: TakenEvent, locale: string, signal: AbortSignal): AsyncGenerator<ServerSentEvent, void, undefined> {
    try {
      for await (const piece of taken.said(signal)) yield { event: 'stream', data: piece };
    } catch (error) {
      // What it read too slowly, or cannot read any more, it does not get: the answer it does.
      if (!isCotableError(error)) throw error;
    }
    yield { event: 'final', data: events.answer(await taken.outcome.catch(refusal), locale) };
  }

  function mount(app: Hono<WebEnv>): void {
    app.post('/sync/*', async (context) => {
      const { req } = context;
      const locale = req.header('accept-language') ?? '';
      const respond = (outcome: Outcome): Response => {
        const answer = events.answer(outcome, locale);
        const seconds = answer.status === 'error' && answer.errorCode === 'sync.rateLimitExceeded' && answer.errorParams?.['seconds'];
        if (typeof seconds === 'number') context.header('retry-after', String(seconds));
        return Response.json(answer, {
          status: answer.status === 'error' ? (answer.httpStatus ?? 500) : 200,
          headers: context.res.headers,
        });
      };
      try {
        const handshake = context.get('handshake');
        events.limits.address(handshake.ip);
        const { name, version } = nameIn(req.path);
        // Whether there is such an event is told before anything else of the request is looked at.
        events.table.find(name, version);
        const body = readBody(await req.text());
        const caller = await known(handshake, body);
        const request = req.header('idempotency-key') ?? body.idempotencyKey ?? nameOf(random);
        const taken = await events.door.ask({ ...body, name, version, request }, toEventCaller(caller, handshake.ip, body.room));
        const wantsStream = req.query('stream') === 'true' || (req.header('accept') ?? '').includes('text/event-stream');
        if (!wantsStream) return respond(await taken.outcome);
        // The request goes on without who asked.
        const left = new AbortController();
        const broken = (error: unknown): void => logger.info({ room: body.room, run: taken.run, error }, 'an answer broke off');
        const cut = caller && guard.reading(caller, body.room, left.signal);
        const until = caller?.expiresAt ?? Infinity;
        const told = toEventStream(tell(taken, locale, left.signal), { clock, until, cut, left, failed: broken });
        return context.body(told, 200, EVENT_STREAM_HEADERS);
      } catch (error) {
        return respond(refusal(error));
      }
    });
  }

  return { paths: Object.fromEntries(events.table.all.map((known) => [`/sync/${known.name}/${known.version}`, pathOf(known)])), mount };
}

function refusal(error: unknown): Outcome {
  return failed(asCotableError(error, () => new CotableError('request.failed', {}, { cause: error })));
}

/** Not to be guessed. */
function nameOf(random: Random): string {
  return `${randomName(random).toString(36)}-${randomName(random).toString(36)}`;
}

/** `/sync/{name...}/{version}`, wherever it is mounted. */
function nameIn(path: string): { readonly name: string; readonly version: string } {
  const segments = path.slice(path.indexOf('/sync/') + '/sync/'.length).split('/');
  const version = segments.pop() ?? '';
  return { name: segments.join('/'), version };
}

function readBody(text: string): Body {
  const refuse = (problem: string): never => {
    throw new CotableError('sync.invalidRequest', { problem });
  };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return refuse('its body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return refuse('its body is no object');
  const fields = body as Readonly<Record<string, unknown>>;
  const flag = (name: string): boolean => {
    const { [name]: value = false } = fields;
    return typeof value === 'boolean' ? value : refuse(`${name} is no boolean`);
  };
  const words = (name: string): string | undefined => {
    const { [name]: value } = fields;
    return value === undefined || typeof value === 'string' ? value : refuse(`${name} is no text`);
  };
  const room = words('receiver');
  if (!room) throw new CotableError('sync.missingReceiver', {});
  return {
    room,
    data: fields['data'],
    ignoreSelf: flag('ignoreSelf'),
    requireReceivers: flag('requireReceivers'),
    idempotencyKey: words('idempotencyKey'),
    userId: words('userId'),
  };
}

const ANSWER = {
  type: 'object',
  properties: {
    status: { const: 'success' },
    message: { type: 'string' },
    result: { description: 'What the handler returned' },
    recipientCount: { type: 'integer' },
  },
  required: ['status', 'message', 'result', 'recipientCount'],
};

function pathOf({ name, version, event, isOpen }: KnownEvent): PathItem {
  const place = `#/paths/~1sync~1${name.replaceAll('/', '~1')}~1${version}/post/requestBody/content/application~1json/schema/properties/data`;
  const stream = { type: 'string', description: '`event: stream` for each piece, then `event: final` with the answer' };
  return {
    post: {
      summary: `Asks for the event ${name} ${version}`,
      ...(!isOpen && { security: [{ token: [] }] }),
      parameters: [
        { name: 'Idempotency-Key', in: 'header', schema: { type: 'string' } },
        { name: 'stream', in: 'query', schema: { type: 'boolean' } },
      ],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: {
                data: jsonSchemaOf(event.input, 'input', place),
                receiver: { type: 'string', description: 'The room' },
                ignoreSelf: { type: 'boolean', default: false },
                requireReceivers: { type: 'boolean', default: false },
                idempotencyKey: { type: 'string' },
              },
              required: ['data', 'receiver'],
            },
          },
        },
      },
      responses: {
        200: { description: 'It is done', content: { 'application/json': { schema: ANSWER }, 'text/event-stream': { schema: stream } } },
        default: PROBLEM,
      },
    },
  };
}
