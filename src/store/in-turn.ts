import { queueScheduler } from 'rxjs';

/**
 * Tells observers something: at once, or, when they are just being told something else, after that. An observer may
 * write, and what that changes must not reach one observer before another has heard of what led to it.
 */
export function inTurn(tell: () => void): void {
  queueScheduler.schedule(tell);
}
