import { GraphBuilder } from '@aviary/onnx';
import { type ModelDefinition, type ModelPart, parseModelDefinition } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { inspectModel } from './inspect-model.ts';

/** A model with one output of this shape. */
const modelOf = (shape: readonly (number | string)[]): Buffer => {
  const graph = new GraphBuilder('test');
  graph.input('x', 'float32', [1, 3, 8, 8]);
  graph.node('Identity', ['x'], 'y');
  graph.output('y', 'float32', [...shape]);
  return Buffer.from(graph.build());
};

const inspect = async (task: string, keys: string, shape: readonly (number | string)[]): Promise<unknown> => {
  const definition: ModelDefinition = parseModelDefinition(`name: seer
version: 1.0.0
task: ${task}
${keys}
input: { width: 8, height: 8 }
variants: [{ file: m.onnx }]
acceptance: { samples: suite }
`);
  const [variant] = definition.variants;
  if (variant === undefined || definition.models !== undefined) throw new TypeError('expected one model');
  const part: ModelPart = definition;
  const labels = typeof part.labels === 'string' ? [] : part.labels;
  return inspectModel({ variant, file: 'm.onnx', bytes: modelOf(shape), labels, part });
};

const YOLO = 'labels: [a, b]\noutput: { decoder: yolov8 }';

describe('inspectModel', () => {
  it.each<[string, string, readonly (number | string)[]]>([
    ['classification', 'labels: [a, b]', [1, 2]],
    ['detection', YOLO, [1, 6, 8400]],
    ['detection', 'labels: [a, b]\noutput: { decoder: yolov5 }', [1, 25200, 7]],
    ['detection', 'labels: [a, b]\noutput: { decoder: rows }', ['N', 6]],
    ['detection', 'labels: [a]\noutput: { decoder: db }', [1, 1, 'H', 'W']],
    ['text', 'labels: [a, b]\noutput: { space: true }', [1, 'T', 4]],
    ['segmentation', 'labels: [a, b]', [1, 2, 8, 8]],
    ['embedding', '', [1, 512]],
    ['raw', '', [1, 3]],
  ])('takes for %s with %j an output of %j', async (task, keys, shape) => {
    await expect(inspect(task, keys, shape)).resolves.toEqual({ opset: expect.any(Number) });
  });

  it.each<[string, string, readonly (number | string)[], string]>([
    ['classification', 'labels: [a, b]', [1, 3], 'expected an output of 2 values, one per label; m.onnx has 3'],
    [
      'detection',
      YOLO,
      [1, 84, 8400],
      'expected the second last dimension of the output of 6 values, a box, and one per label; m.onnx has 84',
    ],
    [
      'text',
      'labels: [a, b]',
      [1, 'T', 4],
      'expected the last dimension of the output of 3 values, one per label, one for the blank; m.onnx has 4',
    ],
    [
      'detection',
      'labels: [a]\noutput: { decoder: lists, outputs: { boxes: b, scores: y, classes: c } }',
      [1, 3],
      'expected outputs of the names b, c; m.onnx has y',
    ],
  ])('refuses for %s with %j an output of %j', async (task, keys, shape, words) => {
    await expect(inspect(task, keys, shape)).rejects.toThrow(words);
  });
});
