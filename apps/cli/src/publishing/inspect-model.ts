import { describeModel, readModel } from '@aviary/onnx';
import { detectionSpec, type InspectModel } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';

type Inspected = Parameters<InspectModel>[0];

/** How long a dimension of the model's first output must be for its task, counted from the end; none: it is not looked at. */
const expectedSize = ({ part, labels }: Inspected): { fromEnd: number; size: number; words: string } | undefined => {
  const { task, output } = part;
  if (task === 'classification') return { fromEnd: 1, size: labels.length, words: 'one per label' };
  if (task === 'text') {
    const size = labels.length + 1 + (output.space === true ? 1 : 0);
    return {
      fromEnd: 1,
      size,
      words: `one per label, one for the blank${output.space === true ? ', one for the space' : ''}`,
    };
  }
  if (task !== 'detection') return undefined;
  switch (detectionSpec(output).decoder) {
    case 'yolov5':
      return { fromEnd: 1, size: 5 + labels.length, words: 'a box, a score, and one per label' };
    case 'yolov8':
      return { fromEnd: 2, size: 4 + labels.length, words: 'a box, and one per label' };
    case 'rows':
      return { fromEnd: 1, size: 6, words: 'a box, a score and a class' };
    default:
      return undefined;
  }
};

/** Looks into an ONNX file whether its output can be what its task needs. @throws UsageError, NotAnOnnxModelError */
export const inspectModel: InspectModel = async (inspected) => {
  const { variant, file, bytes, part } = inspected;
  if (variant.format !== 'onnx') return undefined;
  const { opset, outputs } = describeModel(readModel(bytes));
  const expected = expectedSize(inspected);
  const size = expected && outputs[0]?.shape?.at(-expected.fromEnd);
  if (expected !== undefined && typeof size === 'number' && size !== expected.size) {
    const of =
      part.task === 'classification'
        ? 'an output'
        : `the ${expected.fromEnd === 1 ? 'last' : 'second last'} dimension of the output`;
    throw new UsageError(`expected ${of} of ${expected.size} values, ${expected.words}; ${file} has ${size}`);
  }
  const { outputs: named } = part.output;
  const missing = Object.values(named ?? {}).filter((name) => !outputs.some((output) => output.name === name));
  if (missing.length > 0) {
    const known = outputs.map(({ name }) => name).join(', ');
    throw new UsageError(`expected outputs of the names ${missing.join(', ')}; ${file} has ${known}`);
  }
  return { opset };
};
