import type { Placement, Postprocessing } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { ModelOutput } from '../model-outputs.ts';

/** How much of a picture each label has. */
export interface Areas {
  /** Share of the pixels of each label, in the labels' order; together at most 1. */
  readonly shares: Float64Array;
  /** Mean of how sure the pixels are, 0 to 1; 1 for a model that gives classes without scores. */
  readonly confidence: number;
}

/** How sure the pixels are is asked of at most about so many of them, spread evenly: it takes an exp per label. */
const ASKED_PIXELS = 4096;

/** How the scores of a pixel lie in the output; without scores each pixel has its class. */
interface Layout {
  readonly width: number;
  readonly height: number;
  readonly scores: { readonly pixelStep: number; readonly labelStep: number } | null;
}

/**
 * The labels of a picture's pixels: the largest of the scores `[1,C,H,W]` or `[1,H,W,C]`, or a map of classes `[1,H,W]`.
 * What a letterbox has filled does not count.
 * @param tensor where the picture lies in the model's input
 * @throws FrameError `frame-failed` when the output has another shape, or a class is no label's
 */
export function readAreas(
  output: ModelOutput,
  labels: number,
  { activation }: Pick<Postprocessing, 'activation'>,
  tensor: Placement,
): Areas {
  const { values } = output;
  const { width, height, scores } = layoutOf(output, labels);
  const [acrossX, acrossY] = [width / tensor.width, height / tensor.height];
  const left = clamped(Math.round(tensor.left * acrossX), width - 1);
  const top = clamped(Math.round(tensor.top * acrossY), height - 1);
  const right = Math.max(left + 1, width - left);
  const bottom = Math.max(top + 1, height - top);
  const counts = new Float64Array(labels);
  const pixels = (right - left) * (bottom - top);
  const askEvery = Math.max(1, Math.floor(pixels / ASKED_PIXELS));
  let [seen, asked, sure] = [0, 0, 0];
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1, seen += 1) {
      const at = y * width + x;
      const index =
        scores === null ? (values[at] as number) : largestAt(values, at * scores.pixelStep, scores.labelStep, labels);
      if (!(index >= 0 && index < labels && Number.isInteger(index))) {
        throw new FrameError('frame-failed', `the model gave ${index} as the class of a pixel, of ${labels} labels`);
      }
      counts[index] = (counts[index] as number) + 1;
      if (scores === null || seen % askEvery !== 0) continue;
      asked += 1;
      sure += sureness(values, at * scores.pixelStep, scores.labelStep, { labels, index, activation });
    }
  }
  return { shares: counts.map((count) => count / pixels), confidence: asked === 0 ? 1 : sure / asked };
}

function layoutOf({ name, dims }: ModelOutput, labels: number): Layout {
  const [, first = 0, second = 0, third = 0] = dims;
  if (dims.length === 4 && first === labels) {
    return { width: third, height: second, scores: { pixelStep: 1, labelStep: second * third } };
  }
  if (dims.length === 4 && third === labels) {
    return { width: second, height: first, scores: { pixelStep: labels, labelStep: 1 } };
  }
  if (dims.length === 4 && first === 1) return { width: third, height: second, scores: null };
  if (dims.length === 3) return { width: second, height: first, scores: null };
  throw new FrameError(
    'frame-failed',
    `expected [1, ${labels}, H, W], [1, H, W, ${labels}] or a map of classes [1, H, W] from the model's output "${name}", its shape is [${dims.join(', ')}]`,
  );
}

function largestAt(values: ArrayLike<number>, start: number, step: number, labels: number): number {
  let index = -1;
  let best = Number.NEGATIVE_INFINITY;
  for (let label = 0, at = start; label < labels; label += 1, at += step) {
    const value = values[at] as number;
    if (value > best) {
      best = value;
      index = label;
    }
  }
  return index;
}

function sureness(
  values: ArrayLike<number>,
  start: number,
  step: number,
  { labels, index, activation }: { labels: number; index: number; activation: Postprocessing['activation'] },
): number {
  const best = values[start + index * step] as number;
  if (activation !== 'softmax') return best;
  let sum = 0;
  for (let label = 0, at = start; label < labels; label += 1, at += step)
    sum += Math.exp((values[at] as number) - best);
  return 1 / sum;
}

function clamped(value: number, most: number): number {
  return Math.max(0, Math.min(most, value));
}
