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

/** The routes of one door. */
export interface Router {
  /** What they are, for `/openapi.json`: path items of OpenAPI 3.1, by path. */
  readonly paths: Readonly<Record<string, object>>;
  /** Whether it reads bodies as they come in, within limits of its own. Left out: they are no longer than `limits.messageBytes`. */
  readonly readsBodies?: boolean;
  /** Adds them. What they throw becomes an answer. */
  mount(app: Hono<WebEnv>): void;
}
