import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GraphBuilder } from '@aviary/onnx';
import type { ManifestModel, Postprocessing, ReleaseManifest } from '@aviary/release';
import { LIGHT_VARIANT } from './light-manifest.ts';
import { grayPng } from './light-release.ts';

/** A model that says the same to each picture: input `x`, output `y` of the given shape. */
export function constantModel(
  input: readonly (number | string)[],
  dims: readonly number[],
  values: ArrayLike<number>,
): Buffer {
  const graph = new GraphBuilder('constant');
  graph.input('x', 'float32', [...input]);
  graph.floats('said', [...dims], values);
  graph.floats('zero', [], [0]);
  // ONNX Runtime refuses an input that nothing uses.
  graph.node('ReduceMean', ['x'], 'mean', { keepdims: 0 });
  graph.node('Mul', ['mean', 'zero'], 'nothing');
  graph.node('Add', ['said', 'nothing'], 'y');
  graph.output('y', 'float32', [...dims]);
  return Buffer.from(graph.build());
}

/** A model that answers with its input: a detector of what is bright, where its answer is taken for a map of text. */
export function mirrorModel(shape: readonly (number | string)[]): Buffer {
  const graph = new GraphBuilder('mirror');
  graph.input('x', 'float32', [...shape]);
  graph.node('Identity', ['x'], 'y');
  graph.output('y', 'float32', [...shape]);
  return Buffer.from(graph.build());
}

/** A model with the scores `1 − x` and `x` for each pixel of `[N,1,H,W]`: of dark and of light. */
export function twoLabelsModel(shape: readonly (number | string)[]): Buffer {
  const graph = new GraphBuilder('two-labels');
  graph.input('x', 'float32', [...shape]);
  graph.floats('one', [], [1]);
  graph.node('Sub', ['one', 'x'], 'dark');
  graph.node('Concat', ['dark', 'x'], 'y', { axis: 1 });
  graph.output('y', 'float32', [shape[0] ?? 1, 2, ...shape.slice(2)]);
  return Buffer.from(graph.build());
}

/** A model that says `dark` and `light` of the mean of each picture of `[N,1,H,W]`, with the probabilities `1 − mean` and `mean`. */
export function meanModel(shape: readonly (number | string)[]): Buffer {
  const graph = new GraphBuilder('mean');
  graph.input('x', 'float32', [...shape]);
  graph.floats('one', [], [1]);
  graph.node('GlobalAveragePool', ['x'], 'pooled');
  graph.node('Flatten', ['pooled'], 'light');
  graph.node('Sub', ['one', 'light'], 'dark');
  graph.node('Concat', ['dark', 'light'], 'y', { axis: 1 });
  graph.output('y', 'float32', [shape[0] ?? 1, 2]);
  return Buffer.from(graph.build());
}

/** A model whose steps are the columns of a picture `[1,1,classes,W]`, and whose classes are its rows: `[1,W,classes]`. */
export function columnsModel(classes: number): Buffer {
  const graph = new GraphBuilder('columns');
  graph.input('x', 'float32', [1, 1, classes, 'W']);
  graph.integers('first', [1], [1]);
  graph.node('Squeeze', ['x', 'first'], 'flat');
  graph.node('Transpose', ['flat'], 'y', { perm: [0, 2, 1] });
  graph.output('y', 'float32', [1, 'W', classes]);
  return Buffer.from(graph.build());
}

export type TaskModel = Omit<ManifestModel, 'file' | 'postprocessing'> & {
  readonly postprocessing?: Partial<Postprocessing>;
  readonly bytes: Uint8Array;
};

/**
 * Writes an opened variant of one model, or of several with `together`.
 * @returns its manifest
 */
export async function writeTaskRelease(
  folder: string,
  models: readonly TaskModel[],
  change: Partial<ReleaseManifest> = {},
): Promise<ReleaseManifest> {
  mkdirSync(join(folder, 'acceptance'), { recursive: true });
  writeFileSync(join(folder, 'acceptance/00.png'), await grayPng(0));
  const parts = models.map(({ bytes, postprocessing, ...model }) => {
    const file = models.length === 1 ? 'model.onnx' : `models/${model.id}.onnx`;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), bytes);
    const activation = postprocessing?.activation ?? 'none';
    const output: Postprocessing = { confidenceBelow: 0.5, ...postprocessing, activation };
    return { ...model, labels: [...model.labels], postprocessing: output, file };
  });
  const [first] = parts;
  const last = parts.at(-1);
  if (first === undefined || last === undefined) throw new TypeError('expected a model');
  const single = { preprocessing: first.preprocessing, postprocessing: first.postprocessing };
  const manifest: ReleaseManifest = {
    formatVersion: 1,
    release: 'seer@1.0.0',
    releaseCounter: 1,
    rollbackFloor: 0,
    task: last.task,
    labels: last.labels,
    ...(parts.length === 1 ? single : { models: parts }),
    variant: { ...LIGHT_VARIANT, file: first.file },
    acceptance: { limits: {}, samples: [{ file: 'acceptance/00.png', label: '' }], golden: [] },
    ...change,
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return manifest;
}
