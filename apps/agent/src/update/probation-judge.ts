import type { Probation } from '@aviary/release';
import type { Observation } from '../inference/serving.ts';

export type ProbationVerdict =
  | { readonly verdict: 'going-on' }
  | { readonly verdict: 'passed' }
  | { readonly verdict: 'failed'; readonly code: string; readonly words: string };

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

/**
 * Judges a release by what it did since it began to serve. It fails as soon as enough frames speak against it, and
 * passes only when the time is over *and* enough frames were seen: silence proves nothing.
 * @param previousP95Ms of the release before on this device; null when there was none
 * @param elapsedSeconds since it began to serve
 */
export const judgeProbation = (
  limits: Probation,
  seen: Observation,
  previousP95Ms: number | null,
  elapsedSeconds: number,
): ProbationVerdict => {
  const tried = seen.frames + seen.errors;
  if (tried < limits.minFrames) return { verdict: 'going-on' };
  const failed = (code: string, words: string): ProbationVerdict => ({ verdict: 'failed', code, words });
  if (tried > 0 && seen.errors / tried > limits.maxErrorRate) {
    return failed(
      'error-rate',
      `${seen.errors} of ${tried} frames failed (${percent(seen.errors / tried)}), at most ${percent(limits.maxErrorRate)} allowed`,
    );
  }
  const unsure = seen.frames === 0 ? 0 : seen.lowConfidence / seen.frames;
  if (unsure > limits.maxLowConfidenceRate) {
    return failed(
      'low-confidence',
      `low confidence on ${percent(unsure)} of ${seen.frames} frames, at most ${percent(limits.maxLowConfidenceRate)} allowed`,
    );
  }
  if (previousP95Ms !== null && previousP95Ms > 0 && seen.p95Ms > previousP95Ms * limits.maxP95Ratio) {
    const ratio = (seen.p95Ms / previousP95Ms).toFixed(1);
    return failed(
      'latency',
      `p95 is ${seen.p95Ms.toFixed(1)} ms, ${ratio} times the ${previousP95Ms.toFixed(1)} ms of the release before, at most ${limits.maxP95Ratio} times allowed`,
    );
  }
  return elapsedSeconds >= limits.seconds ? { verdict: 'passed' } : { verdict: 'going-on' };
};
