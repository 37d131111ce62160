import { describe, expect, it } from 'vitest';
import { ModelDefinitionError } from './definition-problem.ts';
import { parseModelDefinition } from './model-definition.ts';

const SHORT = `name: meter-reader
version: 1.0.0
task: classification
labels: ["0", "1"]
input: { width: 28, height: 28, color: gray }
variants:
  - file: ./model.onnx
acceptance: { samples: acceptance/ }
`;

function problemsOf(yaml: string): ModelDefinitionError['problems'] {
  try {
    parseModelDefinition(yaml);
  } catch (error) {
    if (error instanceof ModelDefinitionError) return error.problems;
    throw error;
  }
  return [];
}

const replaced = (from: string, to: string): string => {
  expect(SHORT).toContain(from);
  return SHORT.replace(from, to);
};

describe('model.yaml', () => {
  it('fills in every default', () => {
    expect(parseModelDefinition(SHORT)).toEqual({
      name: 'meter-reader',
      version: '1.0.0',
      task: 'classification',
      labels: ['0', '1'],
      input: {
        width: 28,
        height: 28,
        color: 'gray',
        resize: 'stretch',
        fill: 0,
        layout: 'nchw',
        scale: 1 / 255,
        mean: [0],
        std: [1],
      },
      output: { activation: 'softmax', confidenceBelow: 0.5 },
      variants: [{ id: 'onnx-fp32', runtime: 'onnxruntime', format: 'onnx', precision: 'fp32', file: 'model.onnx' }],
      acceptance: { samples: 'acceptance', goldenSamples: 8, limits: {} },
    });
  });

  it('takes a head that is named, or is to be found, and the file of a lineage', () => {
    const withKeys = (keys: string) => parseModelDefinition(`${keys}\n${SHORT}`);
    expect(withKeys('training: auto').training).toEqual({});
    expect(withKeys('training: { head: /fc/Gemm }').training).toEqual({ head: '/fc/Gemm' });
    expect(withKeys('lineage: ./lineage.json').lineage).toBe('lineage.json');
  });

  it('takes everything it knows', () => {
    const definition = parseModelDefinition(`# a comment
name: meter-reader
version: 1.1.0-rc.1
description: Reads digits.
task: classification
labels: labels.txt
input:
  width: 224
  height: 160
  color: bgr
  resize: letterbox
  fill: 114
  layout: nhwc
  scale: 1/255
  mean: [1, 1, 1]
  std: [0.5, 0.5, 0.5]
output: { activation: none, confidenceBelow: 0.7 }
variants:
  - file: fp32.onnx
  - { id: cuda, file: fp16.onnx, precision: fp16, providers: [cuda, cpu], requires: { minMemoryMB: 4096, arch: [arm64] } }
  - runtime: tensorrt
    file: orin.engine
    precision: int8
    requires: { tensorrt: "10.3", computeCapability: "8.7", l4t: "36.4" }
  - { runtime: tflite, file: edge.tflite, precision: int8 }
  - { runtime: hailort, file: yolo.hef, precision: int8, requires: { hailort: "4.20" } }
acceptance:
  samples: suite/pictures
  goldenSamples: 3
  goldenTolerance: 0.001
  minAccuracy: 0.9
  maxP95Ms: 40
  maxLowConfidenceRate: 0.1
  maxMemoryMB: 300
  stressSeconds: 60
rollbackFloor: 3
releaseCounter: 4
`);
    expect(definition).toMatchObject({
      labels: 'labels.txt',
      input: { color: 'bgr', mean: [1, 1, 1], std: [0.5, 0.5, 0.5], scale: 1 / 255 },
      output: { activation: 'none', confidenceBelow: 0.7 },
      acceptance: {
        samples: 'suite/pictures',
        goldenSamples: 3,
        limits: {
          goldenTolerance: 0.001,
          minAccuracy: 0.9,
          maxP95Ms: 40,
          maxLowConfidenceRate: 0.1,
          maxMemoryMB: 300,
          stressSeconds: 60,
        },
      },
      rollbackFloor: 3,
      releaseCounter: 4,
    });
    expect(definition.variants.map(({ id, format }) => [id, format])).toEqual([
      ['onnx-fp32', 'onnx'],
      ['cuda', 'onnx'],
      ['engine-int8', 'engine'],
      ['tflite-int8', 'tflite'],
      ['hef-int8', 'hef'],
    ]);
    expect(definition.variants[2]?.requires).toEqual({ tensorrt: '10.3', computeCapability: '8.7', l4t: '36.4' });
  });

  it('names every problem at once, in the order of the file, each with its place', () => {
    const problems = problemsOf(`name: Meter
versoin: 1.0.0
task: detecting
labels: [0, "1"]
input:
  width: wide
  mean: [1]
variants:
  - file: ../model.onnx
    runtime: tensorrt
acceptance:
  samples: acceptance
  minAccuracy: 93
  maxMemoryMB: 1.5
  stressSeconds: 601
`);
    expect(problems.map(({ line, column, path }) => `${line}:${column} ${path}`)).toEqual([
      '1:1 version',
      '1:7 name',
      '2:1 versoin',
      '3:7 task',
      '4:10 labels[0]',
      '5:1 input.height',
      '6:10 input.width',
      '7:9 input.mean',
      '9:3 variants',
      '9:5 variants[0].requires',
      '9:11 variants[0].file',
      '13:16 acceptance.minAccuracy',
      '14:16 acceptance.maxMemoryMB',
      '15:18 acceptance.stressSeconds',
    ]);
  });

  it.each<[string, string, string, object]>([
    [
      'a wrong type',
      'width: 28',
      'width: wide',
      { path: 'input.width', line: 5, column: 17, expected: 'a number', received: '"wide"' },
    ],
    ['a missing key', 'version: 1.0.0\n', '', { path: 'version', line: 1, column: 1, received: 'nothing' }],
    [
      'a missing key in a map',
      'width: 28, ',
      '',
      { path: 'input.width', line: 5, column: 1, expected: 'a number', received: 'nothing' },
    ],
    [
      'a missing key in a list',
      'file: ./model.onnx',
      'precision: fp32',
      { path: 'variants[0].file', line: 7, column: 5, received: 'nothing' },
    ],
    [
      'an unknown key',
      'color: gray',
      'colour: gray',
      { path: 'input.colour', line: 5, column: 33, received: '"colour"', hint: 'did you mean "color"?' },
    ],
    [
      'an unknown key far from all',
      'name:',
      'zzzzzzz: 1\nname:',
      { path: 'zzzzzzz', line: 1, column: 1, received: '"zzzzzzz"' },
    ],
    [
      'a value out of range',
      'color: gray',
      'fill: 256',
      { path: 'input.fill', line: 5, column: 39, expected: 'a number of at most 255', received: '256' },
    ],
    [
      'a choice',
      'color: gray',
      'color: grey',
      { path: 'input.color', line: 5, column: 40, expected: 'one of gray, rgb, bgr', received: '"grey"' },
    ],
    [
      'a bare version',
      '1.0.0',
      '1.0',
      { path: 'version', line: 2, column: 10, expected: 'a text (write numbers in quotes)', received: '1' },
    ],
    [
      'a task that there is not',
      'classification',
      'translation',
      {
        path: 'task',
        line: 3,
        column: 7,
        expected: 'one of classification, detection, segmentation, embedding, text, raw',
      },
    ],
    [
      'a number as label',
      '"1"]',
      '1]',
      { path: 'labels[1]', line: 4, column: 15, expected: 'a text (write numbers in quotes)', received: '1' },
    ],
    [
      'a label twice',
      '"1"]',
      '"0"]',
      { path: 'labels[1]', line: 4, column: 15, expected: 'each label once', received: '"0"' },
    ],
    ['one label', '"0", "1"', '"0"', { path: 'labels', line: 4, column: 9 }],
    ['a path that climbs', './model.onnx', '../model.onnx', { path: 'variants[0].file', line: 7, column: 11 }],
    ['an absolute path', './model.onnx', '/model.onnx', { path: 'variants[0].file', line: 7, column: 11 }],
    [
      'a scale of nothing',
      'color: gray',
      'scale: 1/0',
      { path: 'input.scale', line: 5, column: 40, expected: 'a number above 0, e.g. 1/255' },
    ],
    [
      'a mean of other channels',
      'color: gray',
      'mean: [1]',
      { path: 'input.mean', line: 5, column: 39, expected: '3 values for color rgb' },
    ],
    [
      'a format of another runtime',
      './model.onnx',
      'm.hef\n    format: hef',
      { path: 'variants[0].format', line: 8, column: 13, expected: 'onnx for runtime onnxruntime', received: '"hef"' },
    ],
    [
      'no portable variant',
      './model.onnx',
      'm.onnx\n    requires: {minMemoryMB: 1}',
      { path: 'variants', line: 7, column: 3, received: 'none' },
    ],
    [
      'a variant twice',
      './model.onnx',
      'a.onnx\n  - file: b.onnx',
      { path: 'variants[1]', line: 8, column: 5, expected: 'each variant id once', hint: 'give it an id of its own' },
    ],
    [
      'an engine for any board',
      './model.onnx',
      'a.onnx\n  - {runtime: tensorrt, file: b.engine}',
      { path: 'variants[1].requires', line: 8, column: 5, received: 'nothing' },
    ],
    [
      'no variants',
      '\n  - file: ./model.onnx',
      ' []',
      { path: 'variants', line: 6, column: 11, expected: 'at least 1 entry' },
    ],
    [
      'a floor above the counter',
      'name:',
      'rollbackFloor: 4\nreleaseCounter: 3\nname:',
      { path: 'rollbackFloor', line: 1, column: 16, received: '4' },
    ],
    [
      'a training that is none',
      'name:',
      'training: yes please\nname:',
      {
        path: 'training',
        line: 1,
        column: 11,
        expected: 'auto, or head: with the name of a node in the model',
        received: '"yes please"',
      },
    ],
    [
      'a training without its head',
      'name:',
      'training: {}\nname:',
      { path: 'training.head', line: 1, received: 'nothing' },
    ],
    [
      'training of a model that ends in probabilities',
      'name:',
      'training: auto\noutput: { activation: none }\nname:',
      { path: 'output.activation', line: 2, column: 23, received: '"none"' },
    ],
    ['a lineage out of the folder', 'name:', 'lineage: ../l.json\nname:', { path: 'lineage', line: 1, column: 10 }],
  ])('says where: %s', (_, from, to, expected) => {
    expect(problemsOf(replaced(from, to))).toContainEqual(expect.objectContaining(expected));
  });

  it('puts it all in one message', () => {
    expect(() => parseModelDefinition(replaced('width: 28', 'width: wide').replace('task', 'taks'))).toThrow(
      expect.objectContaining({
        code: 'model-definition-invalid',
        message: expect.stringContaining(
          'line 3, column 1, taks: expected one of the keys name, version, description, task, labels, input, output, models, ensemble, cascade, variants, acceptance, training, lineage, license, authors, datasets, sources, provenance, rollbackFloor, releaseCounter, got "taks" (did you mean "task"?)',
        ),
      }),
    );
  });

  it.each<[string, string, number, number]>([
    ['no YAML', 'name: a: b\n', 1, 7],
    ['a key twice', `${SHORT}name: again\n`, 9, 1],
    ['an empty file', '', 1, 1],
    ['a list', '- name\n', 1, 1],
    ['only a comment', '# later\n', 1, 1],
  ])('refuses %s', (_, yaml, line, column) => {
    expect(problemsOf(yaml)[0]).toMatchObject({ line, column });
  });

  it('refuses aliases that multiply', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
      .split('')
      .map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[index]}`).join(',')}]`)
      .join('\n')}\n`;
    expect(problemsOf(bomb)[0]).toMatchObject({ expected: 'YAML' });
  });
});
