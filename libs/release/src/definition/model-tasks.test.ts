import { describe, expect, it } from 'vitest';
import { ModelDefinitionError } from './definition-problem.ts';
import { parseModelDefinition } from './model-definition.ts';

const yaml = (task: string, keys: string, input = 'width: 32, height: 32') => `name: seer
version: 1.0.0
task: ${task}
input: { ${input} }
variants: [{ file: m.onnx }]
acceptance: { samples: suite }
${keys}`;

function problemsOf(text: string): string[] {
  try {
    parseModelDefinition(text);
  } catch (error) {
    if (!(error instanceof ModelDefinitionError)) throw error;
    return error.problems.map(({ line, path, expected }) => `${line} ${path}: ${expected}`);
  }
  return [];
}

const outputOf = (text: string) => {
  const definition = parseModelDefinition(text);
  return definition.models === undefined ? definition.output : undefined;
};

describe('a task', () => {
  it('has defaults of its own, which are written out', () => {
    expect(outputOf(yaml('detection', 'labels: [car]\noutput: { decoder: yolov5 }'))).toEqual({
      activation: 'none',
      confidenceBelow: 0.5,
      decoder: 'yolov5',
      scoreThreshold: 0.25,
      iouThreshold: 0.45,
      maxObjects: 100,
      boxes: 'cxcywh',
      unit: 'pixels',
    });
    expect(outputOf(yaml('detection', 'labels: [text]\noutput: { decoder: db, unclip: 2 }'))).toEqual({
      activation: 'none',
      confidenceBelow: 0.5,
      decoder: 'db',
      scoreThreshold: 0.6,
      iouThreshold: 0.45,
      maxObjects: 1000,
      mapThreshold: 0.3,
      unclip: 2,
      minSide: 3,
    });
    expect(outputOf(yaml('segmentation', 'labels: [sky, road]'))).toEqual({
      activation: 'softmax',
      confidenceBelow: 0.5,
    });
    expect(outputOf(yaml('text', 'labels: [a]\noutput: { space: true }'))).toEqual({
      activation: 'none',
      confidenceBelow: 0.5,
      blank: 'first',
      space: true,
    });
    expect(outputOf(yaml('embedding', ''))).toEqual({ activation: 'none', confidenceBelow: 0 });
  });

  it('takes regions, tiles, batches, and sizes that follow from the picture', () => {
    const input =
      'width: 96, height: 96, resize: within, region: { top: 0.5, height: 0.5 }, tiles: { width: 64, height: 64, overlap: 16 }, batch: 4';
    expect(parseModelDefinition(yaml('detection', 'labels: [car]\noutput: { decoder: yolov8 }', input))).toMatchObject({
      input: {
        multipleOf: 32,
        region: { left: 0, top: 0.5, width: 1, height: 0.5 },
        tiles: { width: 64, height: 64, overlap: 16 },
        batch: 4,
      },
    });
  });

  it.each<[string, string, string]>([
    ['no decoder', yaml('detection', 'labels: [car]'), '1 output.decoder: one of yolov5, yolov8, rows, lists, db'],
    [
      'no names of outputs',
      yaml('detection', 'labels: [car]\noutput: { decoder: lists }'),
      "8 output.outputs: the names of the model's outputs: boxes, scores, classes",
    ],
    [
      'a key of another task',
      yaml('classification', 'labels: [a, b]\noutput: { iouThreshold: 0.5 }'),
      '8 output.iouThreshold: no such key for task classification',
    ],
    [
      'a key of another decoder',
      yaml('detection', 'labels: [a]\noutput: { decoder: yolov8, unclip: 1 }'),
      '8 output.unclip: no such key for decoder yolov8',
    ],
    [
      'another activation',
      yaml('detection', 'labels: [a]\noutput: { decoder: yolov8, activation: softmax }'),
      '8 output.activation: none or sigmoid for task detection',
    ],
    ['labels of none', yaml('embedding', 'labels: [a]'), '7 labels: no labels, for task embedding has none'],
    [
      'too few labels',
      yaml('segmentation', 'labels: [a]'),
      '7 labels: a list of at least 2 labels for task segmentation',
    ],
    [
      'a confidence that there is not',
      yaml('raw', 'output: { confidenceBelow: 0.5 }'),
      '7 output.confidenceBelow: no such key: task raw knows no confidence',
    ],
    [
      'tiles of text',
      yaml('text', 'labels: [a]', 'width: 32, height: 32, tiles: { width: 32, height: 32 }'),
      '4 input.tiles: no tiles: answers of task text cannot be merged',
    ],
    [
      'a flat tensor of any size',
      yaml('text', 'labels: [a]', 'width: 32, height: 32, resize: fixed-height, layout: flat'),
      '4 input.layout: nchw or nhwc with resize fixed-height',
    ],
    [
      'multiples of a size that is fixed',
      yaml('text', 'labels: [a]', 'width: 32, height: 32, multipleOf: 8'),
      '4 input.multipleOf: it only with resize within or fixed-height',
    ],
    [
      'a region beyond the frame',
      yaml('raw', '', 'width: 32, height: 32, region: { left: 0.5, width: 0.6 }'),
      '4 input.region: left + width of at most 1',
    ],
    [
      'a limit that nothing can be held to',
      yaml('embedding', '').replace('suite', 'suite, minAccuracy: 0.9'),
      '6 acceptance.minAccuracy: no such limit: task embedding cannot be judged by it',
    ],
    [
      'training of another task',
      yaml('detection', 'labels: [a]\noutput: { decoder: yolov8 }\ntraining: auto'),
      '9 training: it beside one model of task classification only',
    ],
  ])('is refused with %s', (_, text, expected) => {
    expect(problemsOf(text)).toContain(expected);
  });
});

const CASCADE = `name: seer
version: 1.0.0
task: text
models:
  - { id: find, task: detection, labels: [text], input: { width: 96, height: 96 }, output: { decoder: db } }
  - { id: turn, task: classification, labels: ["0", "180"], input: { width: 96, height: 48 } }
  - { id: read, task: text, labels: keys.txt, input: { width: 320, height: 48 } }
cascade:
  - model: find
  - { model: turn, turns: { "180": 180 } }
  - { model: read }
variants:
  - files: { find: find.onnx, turn: turn.onnx, read: read.onnx }
acceptance: { samples: suite }
`;

describe('several models', () => {
  it('answer one after the other', () => {
    expect(parseModelDefinition(CASCADE)).toMatchObject({
      task: 'text',
      models: [{ id: 'find', output: { decoder: 'db' } }, { id: 'turn' }, { id: 'read', output: { blank: 'first' } }],
      cascade: [{ model: 'find' }, { model: 'turn', turns: { 180: 180 } }, { model: 'read' }],
      variants: [{ id: 'onnx-fp32', file: 'find.onnx', files: { find: 'find.onnx', read: 'read.onnx' } }],
    });
  });

  it.each<[string, string, string, string]>([
    [
      'labels beside them',
      'task: text\n',
      'task: text\nlabels: [a]\n',
      '4 labels: it in each of the models, not beside them',
    ],
    ['an id twice', 'id: turn', 'id: find', '6 models[1].id: each id once'],
    [
      'a mistake in one of them',
      'decoder: db',
      'decoder: yolo',
      '5 models[0].output.decoder: one of yolov5, yolov8, rows, lists, db',
    ],
    ['a stage of no model', '- { model: read }', '- { model: reed }', '11 cascade[2].model: one of find, turn, read'],
    [
      'a first stage that finds nothing',
      '- model: find',
      '- model: read',
      '9 cascade[0].model: a model of task detection in the first stage',
    ],
    ['turns by no label of the stage', '"180": 180', '"90": 90', '10 cascade[1].turns: labels of turn: 0, 180'],
    ['another task', 'task: text\n', 'task: raw\n', '3 task: text, which is the task of the last stage'],
    [
      'a file of all',
      'files: { find: find.onnx, turn: turn.onnx, read: read.onnx }',
      'file: m.onnx',
      '13 variants[0].file: files, with one path for each of find, turn, read',
    ],
    ['a file too few', ', read: read.onnx }', ' }', '13 variants[0].files: one path for each of find, turn, read'],
    ['both ways', 'cascade:', 'ensemble: mean\ncascade:', '5 models: either ensemble or cascade beside models'],
  ])('are refused with %s', (_, from, to, expected) => {
    expect(CASCADE).toContain(from);
    expect(problemsOf(CASCADE.replace(from, to))).toContain(expected);
  });

  it('vote with the same labels only', () => {
    const ensemble = CASCADE.replace(/cascade:.*variants:/s, 'ensemble: vote\nvariants:');
    expect(problemsOf(ensemble)).toEqual(
      expect.arrayContaining([
        '3 task: classification for an ensemble',
        '5 models[0].task: classification in an ensemble',
      ]),
    );
  });
});
