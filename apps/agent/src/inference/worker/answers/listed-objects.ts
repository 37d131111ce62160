import type { DetectionSpec, Size } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { ModelOutput, ModelOutputs } from '../model-outputs.ts';
import { boxReader } from './box-reader.ts';
import type { FoundObject, FoundObjects } from './found-object.ts';

/** Where the numbers of object `i` are. */
interface Listed {
  readonly count: number;
  readonly box: ModelOutput;
  readonly boxStep: number;
  readonly score: (i: number) => number;
  readonly class: (i: number) => number;
}

/**
 * Objects that the model has suppressed itself: one output `[1,N,6]` or `[N,6]` of box, score and class (decoder `rows`),
 * or three outputs of the names that the release says (`lists`). Those under the threshold, and of no label, are left
 * out: many exports fill up with them.
 * @throws FrameError `frame-failed` when the outputs have other shapes
 */
export function readListed(outputs: ModelOutputs, labels: number, spec: DetectionSpec, tensor: Size): FoundObjects {
  const listed = spec.decoder === 'rows' ? inRows(outputs[0]) : inLists(outputs, spec);
  const readBox = boxReader(spec, tensor);
  const objects: FoundObject[] = [];
  let bestRejected = 0;
  for (let i = 0; i < listed.count; i += 1) {
    const score = listed.score(i);
    const index = Math.round(listed.class(i)) - spec.firstClass;
    if (Number.isNaN(score)) throw new FrameError('frame-failed', `the model gave NaN as the score of object ${i}`);
    if (!(index >= 0 && index < labels)) continue;
    if (score < spec.scoreThreshold) bestRejected = Math.max(bestRejected, score);
    else objects.push({ index, score, ...readBox(listed.box.values, i * listed.boxStep, 1) });
  }
  return { objects, bestRejected };
}

function inRows(output: ModelOutput): Listed {
  const { dims, values } = output;
  const [count, width] = dims.slice(-2);
  const isFlat = dims.length === 2 || (dims.length === 3 && dims[0] === 1);
  if (!isFlat || count === undefined || width !== 6) throw refused(output, '[1, N, 6] or [N, 6]');
  return {
    count,
    box: output,
    boxStep: width,
    score: (i) => values[i * width + 4] as number,
    class: (i) => values[i * width + 5] as number,
  };
}

function inLists(outputs: ModelOutputs, { outputs: names }: DetectionSpec): Listed {
  const named = (name: string | undefined): ModelOutput => {
    const output = outputs.find((one) => one.name === name);
    if (output === undefined) throw new FrameError('frame-failed', `the model has no output "${name ?? ''}"`);
    return output;
  };
  const [box, scores, classes] = [named(names?.boxes), named(names?.scores), named(names?.classes)];
  const count = scores.values.length;
  if (box.values.length !== count * 4) throw refused(box, `four numbers for each of ${count} scores`);
  if (classes.values.length !== count) throw refused(classes, `one class for each of ${count} scores`);
  return {
    count,
    box,
    boxStep: 4,
    score: (i) => scores.values[i] as number,
    class: (i) => classes.values[i] as number,
  };
}

function refused({ name, dims }: ModelOutput, expected: string): FrameError {
  return new FrameError(
    'frame-failed',
    `expected ${expected} from the model's output "${name}", its shape is [${dims.join(', ')}]`,
  );
}
