import type { Block } from './flow-context.ts';

/** Blocks one behind the other: what one gives the next one takes. One that does not fit does not compile. */
export function pipeline<A, B>(a: Block<A, B>): Block<A, B>;
export function pipeline<A, B, C>(a: Block<A, B>, b: Block<B, C>): Block<A, C>;
export function pipeline<A, B, C, D>(a: Block<A, B>, b: Block<B, C>, c: Block<C, D>): Block<A, D>;
export function pipeline<A, B, C, D, E>(a: Block<A, B>, b: Block<B, C>, c: Block<C, D>, d: Block<D, E>): Block<A, E>;
export function pipeline<A, B, C, D, E, F>(a: Block<A, B>, b: Block<B, C>, c: Block<C, D>, d: Block<D, E>, e: Block<E, F>): Block<A, F>;
export function pipeline<A, B, C, D, E, F, G>(
  a: Block<A, B>,
  b: Block<B, C>,
  c: Block<C, D>,
  d: Block<D, E>,
  e: Block<E, F>,
  f: Block<F, G>,
): Block<A, G>;
export function pipeline<A, B, C, D, E, F, G, H>(
  a: Block<A, B>,
  b: Block<B, C>,
  c: Block<C, D>,
  d: Block<D, E>,
  e: Block<E, F>,
  f: Block<F, G>,
  g: Block<G, H>,
): Block<A, H>;
export function pipeline<A, B, C, D, E, F, G, H, I>(
  a: Block<A, B>,
  b: Block<B, C>,
  c: Block<C, D>,
  d: Block<D, E>,
  e: Block<E, F>,
  f: Block<F, G>,
  g: Block<G, H>,
  h: Block<H, I>,
): Block<A, I>;
export function pipeline(...blocks: readonly Block<unknown, unknown>[]): Block<unknown, unknown> {
  return async (input, ctx) => {
    let value = input;
    for (const block of blocks) value = await block(value, ctx);
    return value;
  };
}
