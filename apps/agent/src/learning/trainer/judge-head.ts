import type { HeadShape } from '@aviary/federation';
import type { LabelledFeatures } from './samples-body.ts';

/** How a head answers labelled samples. */
export interface HeadAnswers {
  readonly correct: number;
  /** Mean cross entropy. */
  readonly loss: number;
}

/**
 * Answers all samples with a head, in 64 bits.
 * @param head weights `[features × classes]` row by row, then biases
 */
export const judgeHead = (
  { labels, features: rows }: LabelledFeatures,
  head: Float32Array,
  { features, classes }: HeadShape,
): HeadAnswers => {
  const logits = new Float64Array(classes);
  let correct = 0;
  let loss = 0;
  labels.forEach((label, sample) => {
    for (let k = 0; k < classes; k += 1) logits[k] = head[features * classes + k] ?? 0;
    for (let i = 0; i < features; i += 1) {
      const value = rows[sample * features + i] ?? 0;
      // Half of what follows a ReLU is zero.
      if (value === 0) continue;
      for (let k = 0; k < classes; k += 1) logits[k] = (logits[k] ?? 0) + value * (head[i * classes + k] ?? 0);
    }
    const largest = Math.max(...logits);
    let sum = 0;
    for (const logit of logits) sum += Math.exp(logit - largest);
    if (logits.indexOf(largest) === label) correct += 1;
    loss += largest + Math.log(sum) - (logits[label] ?? 0);
  });
  return { correct, loss: loss / labels.length };
};
