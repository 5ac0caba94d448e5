import { toWellFormed } from './text.ts';

/**
 * Plain JSON as rows and inputs carry it. An own key whose value is `undefined` equals an absent key, which is why
 * objects may hold `undefined` and arrays may not.
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** Where in a value something was found: object keys and array indexes from the outside in. */
export type JsonPath = readonly (string | number)[];

/** Deeper values are refused: a decoder that recurses must not be driven into a stack overflow. */
export const MAX_JSON_DEPTH = 32;

const FORBIDDEN_KEYS: ReadonlySet<unknown> = new Set(['__proto__', 'constructor', 'prototype']);

/** Whether a key would reach into what objects inherit. */
export function isForbiddenKey(key: string): boolean {
  return FORBIDDEN_KEYS.has(key);
}

/** What keeps a value from being plain JSON. */
export interface JsonProblem {
  readonly path: JsonPath;
  readonly found: string;
}

/**
 * Copies plain JSON into a deeply frozen value, leaving out keys that are `undefined`; halves of surrogate pairs become U+FFFD. The original is neither frozen
 * nor kept. Anything else (NaN, infinities, functions, class instances, cycles, holes, forbidden keys, more than
 * {@link MAX_JSON_DEPTH} levels) calls `refuse` with the path to the first such value; whatever `refuse` throws is thrown.
 */
export function toFrozenJson(value: unknown, refuse: (problem: JsonProblem) => never): JsonValue {
  const problem = findProblem(value, [], 0);
  return problem ? refuse(problem) : copy(value as JsonValue);
}

/** What keeps a decoded value from being plain JSON; when nothing does, the value itself has been frozen deeply. */
export function freezeJson(value: unknown, depth = 0): JsonProblem | undefined {
  const problem = findProblem(value, [], depth);
  if (!problem) freeze(value as JsonValue);
  return problem;
}

function findProblem(value: unknown, path: (string | number)[], depth: number): JsonProblem | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : { path: [...path], found: String(value) };
  if (typeof value !== 'object') return { path: [...path], found: typeof value };
  if (depth >= MAX_JSON_DEPTH) return { path: [...path], found: `deeper than ${MAX_JSON_DEPTH} levels, or a cycle` };
  const isList = Array.isArray(value);
  if (!isList) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      return { path: [...path], found: `an instance of ${value.constructor?.name ?? 'a class'}` };
    }
  }
  // Not Object.entries: a hole of a list must be seen as the undefined it is.
  for (const key of isList ? value.keys() : Object.keys(value)) {
    const field: unknown = Reflect.get(value, key);
    if (field === undefined && !isList) continue;
    path.push(key);
    const problem = FORBIDDEN_KEYS.has(key) ? { path: [...path], found: 'a key that is not allowed' } : findProblem(field, path, depth + 1);
    if (problem) return problem;
    path.pop();
  }
  return undefined;
}

function copy(value: JsonValue): JsonValue {
  if (typeof value === 'string') return toWellFormed(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isArray(value)) return Object.freeze(value.map(copy));
  const object: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (field !== undefined) object[toWellFormed(key)] = copy(field);
  }
  return Object.freeze(object);
}

function freeze(value: JsonValue): void {
  if (typeof value !== 'object' || value === null) return;
  for (const field of isArray(value) ? value : Object.values(value)) if (field !== undefined) freeze(field);
  Object.freeze(value);
}

/** Deep equality of JSON; a key that is `undefined` equals an absent one. */
export function jsonEquals(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isArray(a) || isArray(b)) {
    if (!isArray(a) || !isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => jsonEquals(item, b[index]));
  }
  let count = 0;
  for (const key of Object.keys(a)) {
    if (a[key] === undefined) continue;
    count++;
    if (!jsonEquals(a[key], ownField(b, key))) return false;
  }
  for (const key of Object.keys(b)) if (b[key] !== undefined) count--;
  return count === 0;
}

/** A field of an object, and not what every object inherits: rows may have a field called `toString`. */
export function ownField(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
