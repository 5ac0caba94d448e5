import { createSyncClient, type Events, type EventTypes, type SyncResponse } from 'cotable/client';
import { SyncProvider, useSyncEvents } from 'cotable/react';
import { defineEvents } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { createElement } from 'react';
import { z } from 'zod';
import type { AnyIn, Equal, Expect, Nowhere } from './expect.ts';

export const events = defineEvents({}, (event) => ({
  'chat/send': {
    v1: event({
      input: z.object({ text: z.string(), mark: z.number().default(1) }),
      stream: { kind: 'items', of: z.object({ chunk: z.string() }) },
      recipientStream: { kind: 'items', of: z.object({ phase: z.number() }) },
      server: async ({ stream }) => {
        stream({ chunk: 'a' });
        return { status: 'success', text: 'hi' };
      },
      recipient: ({ token }) => ({ status: 'success', token }),
    }),
    v2: event({ input: z.null(), server: () => ({ status: 'success', seen: 2 }) }),
  },
  'door/open': {
    v1: event({
      input: z.object({ key: z.string() }),
      server: async ({ clientInput }) =>
        clientInput.key === 'x'
          ? { status: 'success', allowed: true, room: 'hall' }
          : clientInput.key === 'y'
            ? { status: 'error', errorCode: 'door.broken' }
            : { status: 'success', allowed: false, reason: 'key' },
    }),
  },
  'only/recipient': {
    v1: event({
      input: z.string(),
      recipientStream: { kind: 'text' },
      recipient: ({ clientInput }) => ({ status: 'success', echoed: clientInput }),
    }),
  },
}));
type E = typeof events;

const client = createSyncClient<E>({ link: webSocket('ws://localhost') });

export async function asked(): Promise<void> {
  const sent = await client.syncRequest({
    name: 'chat/send',
    version: 'v1',
    data: { text: 'hi' },
    receiver: 'room',
    onStream: (piece) => {
      type Piece = Expect<Equal<typeof piece, { chunk: string }>>;
      const checked: Piece = true;
      void checked;
    },
  });
  const opened = await client.syncRequest({ name: 'door/open', version: 'v1', data: { key: 'x' }, receiver: 'room', ignoreSelf: true });
  type Answers = [
    Expect<Equal<typeof sent, SyncResponse<{ readonly text: 'hi' }>>>,
    Nowhere<AnyIn<typeof sent>>,
    Nowhere<AnyIn<typeof opened>>,
  ];
  void (0 as unknown as Answers);
  if (opened.status === 'error') {
    type Failure = [Expect<Equal<typeof opened.errorCode, string>>, Expect<Equal<typeof opened.httpStatus, number | undefined>>];
    void (0 as unknown as Failure);
    // @ts-expect-error a failure has no result
    void opened.result;
    return;
  }
  const { result } = opened;
  // Literals live on: each branch has its own fields.
  if (result.allowed) {
    type Open = Expect<Equal<typeof result.room, 'hall'>>;
    void (0 as unknown as Open);
    // @ts-expect-error that is why it was not
    void result.reason.length;
  } else {
    type Shut = Expect<Equal<typeof result.reason, 'key'>>;
    void (0 as unknown as Shut);
    // @ts-expect-error that is where it leads
    void result.room.length;
  }
}

export function misasked(): void {
  const receiver = 'room';
  // @ts-expect-error there is no such event
  void client.syncRequest({ name: 'chat/sent', version: 'v1', data: { text: 'hi' }, receiver });
  // @ts-expect-error there is no such version
  void client.syncRequest({ name: 'door/open', version: 'v2', data: { key: 'x' }, receiver });
  // @ts-expect-error a field is missing
  void client.syncRequest({ name: 'chat/send', version: 'v1', data: {}, receiver });
  // @ts-expect-error data of another event
  void client.syncRequest({ name: 'door/open', version: 'v1', data: { text: 'hi' }, receiver });
  // @ts-expect-error nobody gets it
  void client.syncRequest({ name: 'door/open', version: 'v1', data: { key: 'x' } });
  // @ts-expect-error it says nothing while it works
  void client.syncRequest({ name: 'door/open', version: 'v1', data: { key: 'x' }, receiver, onStream: () => undefined });
  // @ts-expect-error only its recipients hear pieces
  void client.syncRequest({ name: 'only/recipient', version: 'v1', data: 'x', receiver, onStream: () => undefined });
  const untyped = createSyncClient({ link: webSocket('ws://localhost') });
  // @ts-expect-error events of no backend
  void untyped.syncRequest({ name: 'chat/send', version: 'v1', data: null, receiver });
}

export function heard(): void {
  client.upsertSyncEventCallback({
    name: 'chat/send',
    version: 'v1',
    callback(event) {
      if (event.status === 'stream') {
        type Piece = Expect<Equal<typeof event.stream, { chunk: string } | { phase: number }>>;
        void (0 as unknown as Piece);
        // @ts-expect-error a piece is no delivery
        void event.serverOutput;
      } else {
        type Delivery = [
          Expect<Equal<typeof event.serverOutput, { readonly text: 'hi' }>>,
          Expect<Equal<typeof event.clientOutput, { readonly token: string }>>,
          Nowhere<AnyIn<typeof event>>,
        ];
        void (0 as unknown as Delivery);
      }
      // @ts-expect-error it may be a piece
      void event.serverOutput;
    },
  });
  client.upsertSyncEventCallback({
    name: 'chat/send',
    version: 'v2',
    callback(event) {
      // Nothing streams: there is nothing to be told apart.
      type Delivery = [
        Expect<Equal<typeof event.status, 'success'>>,
        Expect<Equal<typeof event.serverOutput, { readonly seen: 2 }>>,
        Expect<Equal<keyof typeof event.clientOutput, never>>,
      ];
      void (0 as unknown as Delivery);
      // @ts-expect-error nothing streams
      void event.stream;
    },
  });
  const stop = client.upsertSyncEventStreamCallback({
    name: 'only/recipient',
    version: 'v1',
    callback: ({ stream, room, run }) => {
      type Piece = Expect<Equal<[typeof stream, typeof room, typeof run], [string, string, string]>>;
      void (0 as unknown as Piece);
    },
  });
  type Stop = Expect<Equal<typeof stop, () => void>>;
  void (0 as unknown as Stop);
  // @ts-expect-error nothing streams
  client.upsertSyncEventStreamCallback({ name: 'chat/send', version: 'v2', callback: () => undefined });
  // @ts-expect-error there is no such event
  client.upsertSyncEventCallback({ name: 'chat/sent', version: 'v1', callback: () => undefined });
}

/** A contract without handlers does as well. */
export function contracted(): void {
  type Contract = Events<{ 'a/b': { v1: EventTypes<number, { n: number }, { c: string }, never, never> } }>;
  const other = createSyncClient<Contract>({ link: webSocket('ws://localhost'), rooms: ['room'] });
  other.upsertSyncEventCallback({
    name: 'a/b',
    version: 'v1',
    callback: ({ serverOutput, clientOutput }) => {
      type Outputs = Expect<Equal<[typeof serverOutput, typeof clientOutput], [{ n: number }, { c: string }]>>;
      void (0 as unknown as Outputs);
    },
  });
  // @ts-expect-error another type of data
  void other.syncRequest({ name: 'a/b', version: 'v1', data: '1', receiver: 'room' });
}

export function Component(): unknown {
  const used = useSyncEvents<E>();
  type Used = Expect<Equal<typeof used, typeof client>>;
  void (0 as unknown as Used);
  // @ts-expect-error it cannot be told which events these are
  useSyncEvents().upsertSyncEventCallback({ name: 'door/open', version: 'v1', callback: () => undefined });
  // @ts-expect-error a provider has a client
  createElement(SyncProvider, {});
  return createElement(SyncProvider, { client });
}
