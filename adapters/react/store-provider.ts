import { createContext, createElement, useContext, type ReactElement, type ReactNode } from 'react';
import type { AnySchema, Store } from '../../src/index.ts';

const StoreContext = createContext<unknown>(undefined);

/** Hands a store to the components below. It does not close it: who made the store does. */
export function StoreProvider<S extends AnySchema>(props: { readonly store: Store<S>; readonly children?: ReactNode }): ReactElement {
  return createElement(StoreContext.Provider, { value: props.store }, props.children);
}

/** The store of the nearest {@link StoreProvider}: `useStore<typeof schema>()`. Throws where there is none. */
export function useStore<S extends AnySchema = never>(): Store<S> {
  const store = useContext(StoreContext);
  if (store === undefined) throw new Error('useStore() needs a <StoreProvider store={...}> above it');
  // The provider cannot tell its type to the components below; they say it.
  return store as Store<S>;
}
