import { defineSchema } from 'cotable';
import { defineEvents, type Events, type ServerContext } from 'cotable/relay';
import { z } from 'zod';
import type { AnyIn, Equal, Expect, Nowhere } from './expect.ts';

const sessionSchema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {}, session: z.object({ role: z.string() }) });
const amount = z.object({ amount: z.number(), note: z.string().default('none') });

export const events = defineEvents({ schema: sessionSchema, functions: { twice: (n: number) => n * 2 } }, (event) => ({
  'shop/buy': {
    v1: event({
      auth: { login: true, additional: [(session) => session.userId !== ''] },
      input: amount,
      stream: { kind: 'items', of: z.object({ step: z.number().default(1) }) },
      recipientStream: { kind: 'text' },
      server: async ({ clientInput, functions, user, roomCode, signal, ...ctx }) => {
        ctx.stream({});
        ctx.broadcastStream({ step: functions.twice(clientInput.amount) });
        // @ts-expect-error a step is a number
        ctx.streamTo(['ann'], { step: 'two' });
        if (clientInput.note === '') return { status: 'error', errorCode: 'shop.noNote', errorParams: { user: user.userId } };
        if (clientInput.amount > 9 && !signal.aborted) return { status: 'success', allowed: false, why: roomCode };
        return { status: 'success', allowed: true };
      },
      recipient: ({ serverOutput, clientInput, token, stream, functions }) => {
        stream(token);
        // @ts-expect-error this stream is of text
        stream({ step: 1 });
        if (!serverOutput.allowed) return { status: 'error', errorCode: serverOutput.why };
        return { status: 'success', price: functions.twice(clientInput.amount) };
      },
    }),
    v2: event({
      auth: { login: false },
      input: z.object({}),
      server: ({ user, stream }) => {
        // @ts-expect-error nothing streams
        stream('x');
        // @ts-expect-error nobody need be known
        void user.userId;
        return { status: 'success', step: 1, of: user?.userId };
      },
    }),
  },
  'shop/deeper/look': { v1: event({ input: z.string(), recipient: ({ clientInput }) => ({ status: 'success', looked: clientInput }) }) },
}));

type ContractOf<E> = E extends Events<infer C> ? C : never;
type Contract = ContractOf<typeof events>;
type Buy = Contract['shop/buy']['v1'];
type BuyTwo = Contract['shop/buy']['v2'];
type Look = Contract['shop/deeper/look']['v1'];

export type Checks = [
  // What a page gives is the validator's input.
  Expect<Equal<Buy['input'], { amount: number; note?: string | undefined }>>,
  Expect<Equal<Extract<Buy['serverOutput'], { readonly allowed: false }>['why'], string>>,
  Expect<Equal<Buy['serverOutput']['allowed'], boolean>>,
  Expect<Equal<Extract<Buy['serverOutput'], { readonly allowed: true }>['allowed'], true>>,
  Expect<Equal<keyof Extract<Buy['serverOutput'], { readonly allowed: true }>, 'allowed' | 'why'>>,
  Expect<Equal<Buy['clientOutput'], { readonly price: number }>>,
  Expect<Equal<Buy['serverStream'], { step: number }>>,
  Expect<Equal<Buy['clientStream'], string>>,
  Expect<Equal<BuyTwo['serverOutput'], { readonly step: 1; readonly of: string | undefined }>>,
  Expect<Equal<keyof BuyTwo['clientOutput'], never>>,
  Expect<Equal<BuyTwo['serverStream'], never>>,
  Expect<Equal<BuyTwo['clientStream'], never>>,
  Expect<Equal<keyof Look['serverOutput'], never>>,
  Expect<Equal<Look['clientOutput'], { readonly looked: string }>>,
  Nowhere<AnyIn<Contract>>,
  Nowhere<AnyIn<Pick<ServerContext<typeof sessionSchema, object, string, null, string>, 'stream' | 'user' | 'clientInput' | 'functions'>>>,
];

// A contract by itself, where not even the types of the definition are to be seen.
export type Written = Events<{
  'shop/buy': { v1: { input: string; serverOutput: { n: 1 }; clientOutput: object; serverStream: never; clientStream: never } };
}>;
export type WrittenChecks = [Expect<Equal<ContractOf<Written>['shop/buy']['v1']['serverOutput'], { n: 1 }>>];

const input = z.object({});
const server = (): { status: 'success' } => ({ status: 'success' });

// @ts-expect-error a name begins with a service
defineEvents({}, (event) => ({ buy: { v1: event({ input, server }) } }));
// @ts-expect-error versions are v1, v2 and so on
defineEvents({}, (event) => ({ 'shop/buy': { one: event({ input, server }) } }));
// @ts-expect-error an answer has a status
defineEvents({}, (event) => ({ 'shop/buy': { v1: event({ input, server: () => ({ done: true }) }) } }));
// @ts-expect-error a failure has a code
defineEvents({}, (event) => ({ 'shop/buy': { v1: event({ input, server: () => ({ status: 'error' }) }) } }));
// @ts-expect-error there is no such field of a session
defineEvents({}, (event) => ({ 'shop/buy': { v1: event({ auth: { additional: [(session) => session.rank > 1] }, input, server }) } }));
