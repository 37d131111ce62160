import type { ShadowReport } from '@aviary/protocol';
import type { ShadowTerms } from '@aviary/release';
import type { ShadowTally } from '../inference/shadow-run.ts';

/** Of a normal distribution: 95 of 100 lie within so many standard deviations. */
const Z = 1.959964;

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

/**
 * Wilson's interval for a share, at 95 % (Wilson 1927, "Probable inference, the law of succession, and statistical
 * inference"). For a mean of numbers from 0 to 1 it is wide enough, too: none scatter more than zeros and ones of that mean.
 * Frames that look alike are no independent ones, and for them it is too narrow.
 * @param mean 0 to 1, of `count` values, at least 1
 */
export const wilsonInterval = (mean: number, count: number): { readonly lower: number; readonly upper: number } => {
  const z2 = (Z * Z) / count;
  const centre = (mean + z2 / 2) / (1 + z2);
  const half = (Z / (1 + z2)) * Math.sqrt((mean * (1 - mean)) / count + z2 / (4 * count));
  // At the ends it is exact, and a rounding error would decide.
  return { lower: mean <= 0 ? 0 : Math.max(0, centre - half), upper: mean >= 1 ? 1 : Math.min(1, centre + half) };
};

/** What was seen of a candidate in shadow, and of whom. */
export interface ShadowSight {
  readonly tally: ShadowTally;
  /** Release that served. */
  readonly against: string;
  /** How long it took. */
  readonly seconds: number;
  /** Why it ended before its time; undefined: it did not. */
  readonly endedEarly?: string | undefined;
}

/**
 * What follows from it. It disagrees only when chance does not explain it: when even the upper end of the interval is below
 * what was asked for. Few frames say nothing, and are no reason to refuse a release; the report says so.
 */
export const judgeShadow = (
  { minAgreement }: Pick<ShadowTerms, 'minAgreement'>,
  { tally, against, seconds, endedEarly }: ShadowSight,
): ShadowReport => {
  const { frames, agreed, failed, dropped } = tally;
  const counts = { frames, failed, dropped, seconds: Number(seconds.toFixed(1)) };
  const early = endedEarly === undefined ? '' : `; ended early: ${endedEarly}`;
  const asked = minAgreement === undefined ? '' : `, at least ${percent(minAgreement)} asked for`;
  if (frames === 0) {
    const verdict = minAgreement === undefined ? 'measured' : 'cannot-tell';
    const words = `no frame was compared with ${against}${asked}: it cannot be told whether it agrees${early}`;
    return { verdict, ...counts, agreement: null, lower: null, upper: null, words };
  }
  const agreement = agreed / frames;
  const { lower, upper } = wilsonInterval(agreement, frames);
  const verdict = verdictOf(lower, upper, minAgreement);
  const sight = `agrees with ${against} on ${percent(agreement)} of ${frames} frames (95 % interval ${percent(lower)} to ${percent(upper)})`;
  const lost = [
    ...(failed > 0 ? [`${failed} of them it could not answer`] : []),
    ...(dropped > 0 ? [`${dropped} more it was too slow to see`] : []),
  ];
  const more = lost.map((part) => `; ${part}`).join('');
  const unsure = verdict === 'cannot-tell' ? ': too few frames to tell' : '';
  return { verdict, ...counts, agreement, lower, upper, words: `${sight}${asked}${unsure}${more}${early}` };
};

const verdictOf = (lower: number, upper: number, minAgreement: number | undefined): ShadowReport['verdict'] => {
  if (minAgreement === undefined) return 'measured';
  if (upper < minAgreement) return 'disagrees';
  return lower >= minAgreement ? 'agrees' : 'cannot-tell';
};

/** A release could not run in shadow. @param why in words */
export const notShadowed = (why: string): ShadowReport => ({
  verdict: 'not-possible',
  frames: 0,
  agreement: null,
  lower: null,
  upper: null,
  failed: 0,
  dropped: 0,
  seconds: 0,
  words: `shadow: not possible, ${why}`,
});
