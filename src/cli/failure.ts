/** 1: what was asked for could not be done. 2: the command line could not be understood. */
export type ExitCode = 1 | 2;

/** An end that is told in sentences, without a stack. */
export interface Failure extends Error {
  readonly exitCode: ExitCode;
}

/** The first line says what is wrong, further ones what to do about it. */
export function failure(exitCode: ExitCode, ...lines: readonly string[]): Failure {
  return Object.assign(new Error(lines.join('\n')), { exitCode });
}

export function isFailure(error: unknown): error is Failure {
  return error instanceof Error && 'exitCode' in error;
}
