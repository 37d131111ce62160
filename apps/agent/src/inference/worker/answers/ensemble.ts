import type { FrameAnswer } from '../../frame.ts';

/** What one classifier of an ensemble has said: a probability per label. */
type Said = Float64Array;

/**
 * One answer of several classifiers with the same labels: by `mean` the label with the highest mean probability, by `vote` the one
 * that most say, of equals the more probable one. The confidence is the mean probability of that label.
 * @param said at least one
 */
export function answerTogether(
  said: readonly Said[],
  manner: 'mean' | 'vote',
  labels: readonly string[],
  confidenceBelow: number,
): FrameAnswer {
  const means = Float64Array.from(labels, (_, label) => {
    return said.reduce((sum, each) => sum + (each[label] as number), 0) / said.length;
  });
  const votes = new Uint8Array(labels.length);
  if (manner === 'vote') {
    for (const each of said) votes[largest(each)] = (votes[largest(each)] as number) + 1;
  }
  const rank = means.map((mean, label) => (votes[label] as number) * 2 + mean);
  const index = largest(rank);
  const confidence = means[index] as number;
  return { label: labels[index] ?? '', index, confidence, lowConfidence: confidence < confidenceBelow };
}

function largest(values: Float64Array): number {
  return values.indexOf(Math.max(...values));
}
