import { describeModel, readModel } from '@aviary/onnx';
import { type Format, modelNameSchema } from '@aviary/release';
import { Document } from 'yaml';

const FORMATS: Readonly<Record<string, Format>> = { onnx: 'onnx', tflite: 'tflite', engine: 'engine', hef: 'hef' };
const RUNTIMES: Readonly<Record<Format, string>> = {
  onnx: 'onnxruntime',
  tflite: 'tflite',
  engine: 'tensorrt',
  hef: 'hailort',
};

const formatOf = (path: string): Format | undefined => FORMATS[path.slice(path.lastIndexOf('.') + 1)];

/** As a model's name may be, e.g. `Meter Reader_v2` to `meter-reader-v2`. */
const nameOf = (text: string): string => {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return modelNameSchema.safeParse(name).success ? name : 'model';
};

/** What the first input of an ONNX file says of pictures; what it leaves open is for the publisher to say. */
const inputOf = (bytes: Buffer | undefined): { width: number; height: number; color: string; layout: string } => {
  const open = { width: 0, height: 0, color: 'rgb', layout: 'nchw' };
  if (bytes === undefined) return open;
  try {
    const shape = describeModel(readModel(bytes)).inputs[0]?.shape ?? [];
    const [, first, second, third] = shape.map((size) => (typeof size === 'number' && size > 0 ? size : 0));
    if (shape.length !== 4 || first === undefined || second === undefined || third === undefined) return open;
    const isLast = third === 1 || third === 3;
    const [height, width, channels] = isLast ? [first, second, third] : [second, third, first];
    return { width, height, color: channels === 1 ? 'gray' : 'rgb', layout: isLast ? 'nhwc' : 'nchw' };
  } catch {
    return open;
  }
};

/** A `model.yaml` to be completed: what can be read from the files is in it, and what cannot is marked. */
export const definitionSkeleton = (name: string, files: ReadonlyMap<string, Buffer>): string => {
  const models = [...files.keys()].filter((path) => formatOf(path) !== undefined).sort();
  const onnx = models.find((path) => formatOf(path) === 'onnx');
  const document = new Document({
    name: nameOf(name),
    version: '1.0.0',
    task: 'classification',
    labels: files.has('labels.txt') ? 'labels.txt' : [],
    input: inputOf(onnx === undefined ? undefined : files.get(onnx)),
    variants: models.map((file) => {
      const format = formatOf(file) ?? 'onnx';
      return format === 'onnx' ? { file } : { file, runtime: RUNTIMES[format] };
    }),
    acceptance: { samples: 'acceptance' },
  });
  document.commentBefore = ` Imported from a signed model. Check every line, complete what is 0 or empty, and add
 pictures with their labels in acceptance/: see docs/model-yaml.md.
 license, authors, datasets and sources say where it comes from.`;
  return document.toString({ lineWidth: 0 });
};
