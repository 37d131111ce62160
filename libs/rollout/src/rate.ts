import type { RateSpec } from './spec/strategy-spec.ts';

/** So much of a minute may come at once: a conductor that looks rarely still keeps the rate. */
const BURST_MINUTES = 1 / 6;
/** No fleet needs more, and doubling for long has no other end. */
const MOST_PER_MINUTE = 1_000_000;

/** What a rollout may still start, at a moment. */
export interface RateState {
  /** Devices that may be told at once; a fraction waits for its rest. */
  readonly tokens: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * Devices in a minute, after so many successes: it grows by `increase` with each `every` of them, and only with successes,
 * as AWS IoT Jobs' exponential rate does.
 */
export const ratePerMinute = (
  { perMinute, increase, every = Math.ceil(perMinute) }: RateSpec,
  succeeded: number,
): number => Math.min(MOST_PER_MINUTE, perMinute * increase ** Math.floor(succeeded / every));

/** Devices that may come at once, at so many in a minute. */
export const burstOf = (perMinute: number): number => Math.max(1, perMinute * BURST_MINUTES);

/**
 * A token bucket, refilled for the time that has gone by. Before the first time it is full.
 * @param before null when it was never looked at
 * @param now ms since 1970; a clock that goes back adds nothing
 */
export const refill = (rate: RateSpec, before: RateState | null, succeeded: number, now: number): RateState => {
  const perMinute = ratePerMinute(rate, succeeded);
  const most = burstOf(perMinute);
  if (before === null) return { tokens: most, at: now };
  const passed = Math.max(0, now - before.at) / 60_000;
  return { tokens: Math.min(most, before.tokens + passed * perMinute), at: Math.max(now, before.at) };
};
