import { setTimeout as pause } from 'node:timers/promises';
import { ApiError } from '@aviary/protocol';
import { ConnectionError } from './connection-error.ts';

export interface FollowOptions {
  /** How long to look at it at most. */
  readonly timeoutSeconds: number;
  /** Milliseconds from one look to the next. */
  readonly lookMs?: number;
  /** How long nobody may answer: a control plane that restarts is away for a moment. */
  readonly awayMs?: number;
  /** Ends it before its time, with the signal's reason. */
  readonly signal?: AbortSignal;
}

const isAway = (error: unknown): boolean =>
  error instanceof ConnectionError || (error instanceof ApiError && error.problem.status >= 500);

/**
 * Gives each look at something, the first at once, until whoever follows has seen enough or the time is over. That the
 * control plane is away says nothing about it.
 * @throws ConnectionError, ApiError when it stays away, or refuses
 */
export async function* follow<Thing>(
  look: () => Promise<Thing>,
  { timeoutSeconds, lookMs = 500, awayMs = 60_000, signal }: FollowOptions,
): AsyncGenerator<Thing, void, void> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  let seenAt = Date.now();
  do {
    let seen: { readonly thing: Thing } | undefined;
    try {
      seen = { thing: await look() };
      seenAt = Date.now();
    } catch (error) {
      if (!isAway(error) || Date.now() - seenAt > awayMs) throw error;
    }
    if (seen !== undefined) yield seen.thing;
    await pause(lookMs, undefined, signal === undefined ? {} : { signal });
  } while (Date.now() < deadline);
}
