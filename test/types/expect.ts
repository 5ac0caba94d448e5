import type { Observable } from 'rxjs';

/** Whether two types are the same one: not merely assignable in both directions. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Whether a type is `any`: what inference must never come to. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

type Leaf = string | number | boolean | bigint | symbol | null | undefined | Error | AbortSignal | Date;

/**
 * `'any'` when `any` stands somewhere in a type, to a depth that reaches all that a schema's types are made of, and
 * `never` otherwise. Classes of the platform are not looked into: theirs is not ours.
 */
export type AnyIn<T, Depth extends 0[] = []> =
  IsAny<T> extends true
    ? 'any'
    : Depth['length'] extends 7
      ? never
      : T extends Leaf
        ? never
        : T extends readonly (infer Item)[]
          ? AnyIn<Item, [...Depth, 0]>
          : T extends Promise<infer Value>
            ? AnyIn<Value, [...Depth, 0]>
            : T extends Observable<infer Value>
              ? AnyIn<Value, [...Depth, 0]>
              : T extends (...args: infer Args) => infer Result
                ? AnyIn<Args, [...Depth, 0]> | AnyIn<Result, [...Depth, 0]>
                : T extends object
                  ? { [K in keyof T]-?: AnyIn<T[K], [...Depth, 0]> }[keyof T]
                  : never;

/** Compiles only for `true`. */
export type Expect<T extends true> = T;
export type ExpectNot<T extends false> = T;
/** Compiles only for `never`. */
export type Nowhere<T extends never> = T;
