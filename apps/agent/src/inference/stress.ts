import type { ThrottleCause } from '@aviary/protocol';
import type { AcceptanceLimits } from '@aviary/release';
import { type AcceptanceFailure, atMost } from './acceptance.ts';

const MEGABYTE = 2 ** 20;
/** A process that has warmed up may still grow so much, by the share that is larger: allocators keep what was free once. */
const MOST_GROWTH_BYTES = 48 * MEGABYTE;
const MOST_GROWTH_SHARE = 0.25;
/** Growth is counted from the first look after so many of the looks: a runtime takes its memory with its first runs. */
const WARM_UP_SHARE = 0.2;

/** What a worker measured while it answered its suite's pictures over and over. */
export interface StressFigures {
  /** Answered. */
  readonly frames: number;
  /** Without an answer. */
  readonly failed: number;
  /** Why, of the first. */
  readonly firstFailure?: string;
  /** 95th percentile of a whole frame's milliseconds. */
  readonly p95Ms: number;
}

/** What was seen of it from outside. */
export interface StressObservation {
  /** Bytes that its process had in memory, at even distances. */
  readonly resident: readonly number[];
  /** Why the board has slowed itself down meanwhile, and did not before; null: it does not tell. */
  readonly throttling: readonly ThrottleCause[] | null;
}

/** How a release did under sustained load, over its limits. Empty: well. */
export const judgeStress = (
  { frames, failed, firstFailure = '', p95Ms }: StressFigures,
  { resident, throttling }: StressObservation,
  { maxP95Ms, stressSeconds = 0 }: AcceptanceLimits,
): AcceptanceFailure[] => {
  const during = `in ${stressSeconds} s of stress`;
  const found = [atMost('p95Ms', `95th percentile of the latency ${during}, in ms`, p95Ms, maxP95Ms)];
  if (failed > 0 || frames === 0) {
    const why = firstFailure === '' ? '' : `: ${firstFailure}`;
    const words = `answers ${during}: expected all, ${failed} of ${frames + failed} pictures got none${why}`;
    found.push({ limit: 'failedAnswers', expected: 0, measured: failed, words });
  }
  found.push(growthOf(resident, during));
  if (throttling !== null && throttling.length > 0) {
    const words = `the board ${during}: expected it to keep its pace, it slowed itself down (${throttling.join(', ')})`;
    found.push({ limit: 'throttling', expected: 0, measured: throttling.length, words });
  }
  return found.filter((failure) => failure !== null);
};

const growthOf = (resident: readonly number[], during: string): AcceptanceFailure | null => {
  const warm = resident[Math.floor(resident.length * WARM_UP_SHARE)];
  const last = resident.at(-1);
  if (warm === undefined || last === undefined) return null;
  const allowed = Math.max(MOST_GROWTH_BYTES, warm * MOST_GROWTH_SHARE);
  const growth = last - warm;
  if (growth <= allowed) return null;
  const [from, to, most] = [warm, last, warm + allowed].map((bytes) => Math.round(bytes / MEGABYTE));
  const words = `memory ${during}: expected at most ${most} MB after ${from} MB once it was warm, measured ${to} MB`;
  return {
    limit: 'memoryGrowth',
    expected: Math.round(allowed / MEGABYTE),
    measured: Math.round(growth / MEGABYTE),
    words,
  };
};
