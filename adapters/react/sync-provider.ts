import { createContext, createElement, useContext, type ReactElement, type ReactNode } from 'react';
import type { AnySyncClient, EventContract, Events, SyncClient } from '../../src/client/index.ts';

const SyncContext = createContext<unknown>(undefined);

/** Hands a client of room events to the components below. It does not close it: who made the client does. */
export function SyncProvider(props: { readonly client: AnySyncClient; readonly children?: ReactNode }): ReactElement {
  return createElement(SyncContext.Provider, { value: props.client }, props.children);
}

/**
 * The client of the nearest {@link SyncProvider}: `useSyncEvents<typeof events>()`. It and its functions stay the same objects, and what an
 * `upsert...` function returns is the cleanup of an effect. Throws where there is no provider.
 */
export function useSyncEvents<E extends Events<EventContract> = never>(): SyncClient<E> {
  const client = useContext(SyncContext);
  if (client === undefined) throw new Error('useSyncEvents() needs a <SyncProvider client={...}> above it');
  // The provider cannot tell its type to the components below; they say it.
  return client as SyncClient<E>;
}
