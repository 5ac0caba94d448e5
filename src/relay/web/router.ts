import type { Hono } from 'hono';
import type { Handshake } from '../guard.ts';

/** What is known of a request beside itself. */
export interface RequestBindings {
  /** Of whoever connected; empty where nobody can tell. */
  readonly ip: string;
  /** Drops its connection, where there is one to drop. */
  readonly cut: () => void;
}

export interface WebEnv {
  Bindings: RequestBindings;
  Variables: {
    requestId: string;
    /** For `Guard.identify`: who calls is never taken from a body. */
    handshake: Handshake;
  };
}

/** Operations of one path, as OpenAPI 3.1 describes them, by method. */
export type PathItem = Readonly<Record<string, object>>;

/** The routes of one door. */
export interface Router {
  /** What they are, for `/openapi.json`, by path. */
  readonly paths: Readonly<Record<string, PathItem>>;
  /** Whether it reads bodies as they come in, within limits of its own. Left out: they are no longer than `limits.messageBytes`. */
  readonly readsBodies?: boolean;
  /** Adds them. What they throw becomes an answer. */
  mount(app: Hono<WebEnv>): void;
}
