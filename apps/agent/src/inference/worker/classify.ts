import type { Postprocessing } from '@aviary/release';
import { FrameError } from '../errors.ts';

export interface Classification {
  readonly label: string;
  readonly index: number;
  readonly confidence: number;
  readonly lowConfidence: boolean;
}

/**
 * The most probable label of one picture; of equals the first.
 * @param scores one per label, in the labels' order.
 * @throws FrameError `frame-failed` when the model gave another number of scores, or one that is no number.
 */
export function classify(scores: ArrayLike<number>, labels: readonly string[], spec: Postprocessing): Classification {
  if (scores.length !== labels.length) {
    throw new FrameError(
      'frame-failed',
      `expected ${labels.length} scores, one per label, but the model gave ${scores.length}`,
    );
  }
  let index = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i += 1) {
    const score = scores[i] as number;
    if (Number.isNaN(score)) throw new FrameError('frame-failed', `the model gave NaN as the score of label ${i}`);
    if (score > best) {
      best = score;
      index = i;
    }
  }
  const confidence = spec.activation === 'softmax' ? softmaxOfLargest(scores, best) : best;
  return {
    label: labels[index] ?? '',
    index,
    confidence,
    lowConfidence: confidence < spec.confidenceBelow,
  };
}

/** exp(best) / Σ exp(scoreᵢ), with the largest taken away first so that nothing overflows. */
function softmaxOfLargest(scores: ArrayLike<number>, best: number): number {
  if (!Number.isFinite(best)) throw new FrameError('frame-failed', `the model gave ${best} as its largest score`);
  let sum = 0;
  for (let i = 0; i < scores.length; i += 1) sum += Math.exp((scores[i] as number) - best);
  return 1 / sum;
}
