import type { Postprocessing } from '@aviary/release';
import { FrameError } from '../../errors.ts';

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
export function classify(
  scores: ArrayLike<number>,
  labels: readonly string[],
  spec: Pick<Postprocessing, 'activation' | 'confidenceBelow'>,
): Classification {
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
  const confidence = confidenceOf(scores, best, spec.activation);
  return {
    label: labels[index] ?? '',
    index,
    confidence,
    lowConfidence: confidence < spec.confidenceBelow,
  };
}

/**
 * How probable each label is, for answers that are put together.
 * @throws FrameError `frame-failed` for a score that is no number
 */
export function probabilities(scores: ArrayLike<number>, activation: Postprocessing['activation']): Float64Array {
  const best = Array.prototype.reduce.call(
    scores,
    (a, b) => Math.max(a as number, b as number),
    Number.NEGATIVE_INFINITY,
  );
  if (activation !== 'softmax') return Float64Array.from(scores, (score) => confidenceOf(scores, score, activation));
  const largest = softmaxOfLargest(scores, best as number);
  return Float64Array.from(scores, (score) => Math.exp(score - (best as number)) * largest);
}

function confidenceOf(scores: ArrayLike<number>, score: number, activation: Postprocessing['activation']): number {
  if (activation === 'softmax') return softmaxOfLargest(scores, score);
  return activation === 'sigmoid' ? 1 / (1 + Math.exp(-score)) : score;
}

/** exp(best) / Σ exp(scoreᵢ), with the largest taken away first so that nothing overflows. */
function softmaxOfLargest(scores: ArrayLike<number>, best: number): number {
  if (!Number.isFinite(best)) throw new FrameError('frame-failed', `the model gave ${best} as its largest score`);
  let sum = 0;
  for (let i = 0; i < scores.length; i += 1) sum += Math.exp((scores[i] as number) - best);
  return 1 / sum;
}
