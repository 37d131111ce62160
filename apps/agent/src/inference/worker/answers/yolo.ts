import type { DetectionSpec, Placement } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { ModelOutput } from '../model-outputs.ts';
import { boxReader } from './box-reader.ts';
import type { FoundObject, FoundObjects } from './found-object.ts';

/** More candidates than this are cut before they are compared with each other: a wrong threshold must not stop a worker. */
const MOST_CANDIDATES = 30_000;

/** How the numbers of candidate `i` lie in the output. */
interface Layout {
  readonly candidates: number;
  /** Between two candidates, and between two numbers of one. */
  readonly step: number;
  readonly stride: number;
  /** Number of the first label's score, and of the score that there is an object, where there is one. */
  readonly scores: number;
  readonly objectness: number | null;
}

/**
 * Candidates of a YOLO head that are at least `scoreThreshold` sure: `[1,N,5+C]` (decoder `yolov5`) or `[1,4+C,N]`
 * (`yolov8`). A candidate has one label, its most probable one; nothing is suppressed yet.
 * @throws FrameError `frame-failed` when the output has another shape
 */
export function readYolo(output: ModelOutput, labels: number, spec: DetectionSpec, tensor: Placement): FoundObjects {
  const { candidates, step, stride, scores, objectness } = layoutOf(output, labels, spec);
  const { values } = output;
  const readBox = boxReader(spec, tensor);
  const found: FoundObject[] = [];
  let bestRejected = 0;
  for (let i = 0; i < candidates; i += 1) {
    const start = i * step;
    const some = objectness === null ? 1 : activated(values[start + objectness * stride] as number, spec);
    // Sigmoid and product keep the order, so the best label can be looked for among the raw numbers.
    let index = 0;
    let best = Number.NEGATIVE_INFINITY;
    for (let label = 0, at = start + scores * stride; label < labels; label += 1, at += stride) {
      const value = values[at] as number;
      if (value > best) {
        best = value;
        index = label;
      }
    }
    const score = some * activated(best, spec);
    if (Number.isNaN(score) || best === Number.NEGATIVE_INFINITY) {
      throw new FrameError('frame-failed', `the model gave no number as the score of candidate ${i}`);
    }
    if (score < spec.scoreThreshold) {
      if (score > bestRejected) bestRejected = score;
      continue;
    }
    found.push({ index, score, ...readBox(values, start, stride) });
  }
  if (found.length > MOST_CANDIDATES) {
    found.sort((a, b) => b.score - a.score);
    found.length = MOST_CANDIDATES;
  }
  return { objects: found, bestRejected };
}

function layoutOf({ name, dims }: ModelOutput, labels: number, { decoder }: DetectionSpec): Layout {
  const [first, second, third] = dims.length === 2 ? [1, ...dims] : dims;
  if (first === 1 && second !== undefined && third !== undefined && dims.length <= 3) {
    if (decoder === 'yolov5' && third === 5 + labels) {
      return { candidates: second, step: third, stride: 1, scores: 5, objectness: 4 };
    }
    if (decoder === 'yolov8' && second === 4 + labels) {
      return { candidates: third, step: 1, stride: third, scores: 4, objectness: null };
    }
  }
  const expected = decoder === 'yolov5' ? `[1, N, ${5 + labels}]` : `[1, ${4 + labels}, N]`;
  throw new FrameError(
    'frame-failed',
    `expected the shape ${expected} of decoder ${decoder} and ${labels} labels from the model's output "${name}", it is [${dims.join(', ')}]`,
  );
}

function activated(value: number, { sigmoid }: DetectionSpec): number {
  return sigmoid ? 1 / (1 + Math.exp(-value)) : value;
}
