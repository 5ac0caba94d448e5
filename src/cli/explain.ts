import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isCotableError } from '../errors.ts';

/** What an error says to somebody who wrote the code it came from, in lines: what, where, and what to do. */
export function explain(error: unknown): string[] {
  if (!(error instanceof Error)) return [`It threw ${String(error)}`];
  const [what = ''] = error.message.split('\n');
  const name = isCotableError(error) ? `${error.name} ${error.code}: ` : error.name === 'Error' ? '' : `${error.name}: `;
  return [`${name}${what.trim()}`, ...placeOf(error), ...hintFor(error)];
}

function hintFor(error: Error): string[] {
  if (isCotableError(error)) return [error.hint];
  const missing = /^Cannot find (?:module|package) '((?:@[^/']+\/)?[\w-][^/']*)/.exec(error.message)?.[1];
  return missing ? [`Is it installed? npm install ${missing}`] : [];
}

/** The first place that is not in a package, with its line of code. */
function placeOf(error: Error): string[] {
  for (const [, path = '', line = ''] of `${error.message}\n${error.stack ?? ''}`.matchAll(
    /((?:file:\/\/|\/|[A-Z]:[\\/])[^\n():]+):(\d+):\d+/g,
  )) {
    const file = path.startsWith('file:') ? fileURLToPath(path) : path;
    if (isPackaged(file)) continue;
    const code = lineOf(file, Number(line));
    if (code !== undefined) return [`  at ${file}:${line}`, ...(code ? [`     ${code}`] : [])];
  }
  return requiredFrom(error);
}

/** A module that is not there: who asked for it. */
function requiredFrom(error: Error): string[] {
  const [from] = 'requireStack' in error && Array.isArray(error.requireStack) ? (error.requireStack as unknown[]) : [];
  return typeof from === 'string' ? [`  at ${from}`] : [];
}

function isPackaged(file: string): boolean {
  return /[\\/]node_modules[\\/]/.test(file) || file.startsWith(fileURLToPath(new URL('../..', import.meta.url)));
}

function lineOf(file: string, line: number): string | undefined {
  try {
    return readFileSync(file, 'utf8').split('\n')[line - 1]?.trim();
  } catch {
    return undefined;
  }
}
