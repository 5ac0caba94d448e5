import { asCotableError, CotableError } from '../errors.ts';

/** What a capability is called by, and for whom it works. */
export interface PlatformCall {
  /** Its name in this platform: what it says it is in an error. */
  readonly service: string;
  readonly userId: string;
  readonly room: string;
  /** Aborted when the attempt that called is over. */
  readonly signal: AbortSignal;
}

/** What actions may call outside, by name: `ai.chat`, `blob.put` ... Each takes one input and gives what it likes. */
export interface Platform {
  readonly [service: string]: (input: never, call: PlatformCall) => unknown;
}

/** What `ctx.platform` is in an action: a single way out, typed by the capabilities a backend has. */
export interface PlatformCaller<P extends Platform> {
  /**
   * Calls a capability. Rejects with `platform.unknownService`, with the capability's own error when that has a code,
   * otherwise with `platform.failed`, whose cause is what was thrown.
   */
  call<N extends keyof P & string>(service: N, input: Parameters<P[N]>[0]): Promise<Awaited<ReturnType<P[N]>>>;
}

/** Types capabilities; returns its argument. Give `typeof platform` to `defineBackendConfig` as the second type. */
export function definePlatform<P extends Platform>(platform: P): P {
  return platform;
}

export function createPlatformCaller(platform: Platform, call: Omit<PlatformCall, 'service'>): PlatformCaller<Platform> {
  return {
    async call(service, input) {
      const capability = Object.hasOwn(platform, service) ? platform[service] : undefined;
      if (!capability) throw new CotableError('platform.unknownService', { service });
      try {
        return (await capability(input, { ...call, service })) as never;
      } catch (error) {
        throw asCotableError(error, (reason) => new CotableError('platform.failed', { service, reason }, { cause: error }));
      }
    },
  };
}
