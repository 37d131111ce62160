import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseManifest } from '../archive/manifest.ts';
import { verifyModel } from '../archive/oms.ts';
import { METER_READER_FILES, METER_READER_YAML, modelFolder } from '../testing/model-folder.ts';
import type { BuildReleaseOptions, BuiltVariant } from './release-builder.ts';
import type { PrepareTraining } from './trainable-model.ts';

const model = modelFolder(METER_READER_YAML, METER_READER_FILES);

const TRAINING = {
  featuresOutput: 'relu',
  features: 32,
  classes: 2,
  weights: 'w2',
  bias: 'b2',
  transposed: false,
  backbone: 'a'.repeat(64),
  base: 'b'.repeat(64),
};
const prepareTraining: PrepareTraining = ({ bytes }) => ({
  model: Buffer.concat([bytes, Buffer.from('features')]),
  training: TRAINING,
  step: Buffer.from('step'),
});

describe('a trainable release', () => {
  const trainable = (change: Partial<BuildReleaseOptions> = {}, line = 'training: auto') =>
    model.build({ prepareTraining, ...change }, `${METER_READER_YAML}${line}\n`);

  const filesOf = (variant: BuiltVariant | undefined) => model.open(variant ?? expect.unreachable());

  it('brings the model with its features and the step, all of it signed', async () => {
    const built = await trainable();
    const files = await filesOf(built.variants[0]);
    expect(files.get('model.onnx')?.subarray(100_000).toString()).toBe('features');
    expect(files.get('training/step.onnx')?.toString()).toBe('step');
    expect(parseManifest(files.get('manifest.json') ?? Buffer.alloc(0)).training).toEqual({
      ...TRAINING,
      step: 'training/step.onnx',
    });
    const signature = files.get('model.sig') ?? Buffer.alloc(0);
    verifyModel(signature, files, [model.signer.publicKeyPem]);
    files.set('training/step.onnx', Buffer.from('pest'));
    expect(() => verifyModel(signature, files, [model.signer.publicKeyPem])).toThrow('training/step.onnx');
  });

  it('tells the control plane what its rounds have to know, of its ONNX variants alone', async () => {
    const { statement, variants } = await trainable();
    const { backbone, base, features, classes } = TRAINING;
    expect(statement.targets.map(({ training }) => training)).toEqual([
      { backbone, base, features, classes },
      undefined,
    ]);
    expect([...(await filesOf(variants[1])).keys()]).not.toContain('training/step.onnx');
  });

  it('takes golden outputs of the model that it ships', async () => {
    const run: number[] = [];
    await trainable({
      runModel: async ({ model, samples }) => {
        run.push(model.length);
        return samples.map(() => [0, 1]);
      },
    });
    expect(run).toEqual([100_008, 6]);
  });

  it('goes on without a variant that cannot be trained, and says so', async () => {
    const yaml = METER_READER_YAML.replace(
      'file: model.onnx',
      'file: model.onnx\n  - { file: model.onnx, precision: int8 }',
    );
    const { statement } = await model.build(
      { prepareTraining: (request) => (request.variant.precision === 'int8' ? undefined : prepareTraining(request)) },
      `${yaml}training: auto\n`,
    );
    expect(statement.targets.map(({ training }) => training?.features)).toEqual([32, undefined, undefined]);
    const steps = model.progress.filter(({ step }) => step.startsWith('training'));
    expect(steps.map(({ step, variant }) => `${step} ${variant}`)).toEqual([
      'training onnx-fp32',
      'training onnx-int8',
      'training-skipped onnx-int8',
    ]);
  });

  it('asks for the head that is named', async () => {
    const asked: unknown[] = [];
    await trainable(
      {
        prepareTraining: (request) => {
          asked.push([request.variant.id, request.head, request.labels]);
          return prepareTraining(request);
        },
      },
      'training: { head: fc }',
    );
    expect(asked).toEqual([['onnx-fp32', 'fc', ['zero', 'one']]]);
  });

  it.each<[string, BuildReleaseOptions['prepareTraining'], RegExp]>([
    [
      'has none',
      () => {
        throw new Error('no Gemm');
      },
      /^model\.yaml, training: model\.onnx \(variant onnx-fp32\): no Gemm$/,
    ],
    [
      'has other classes than labels',
      async (request) => ({
        ...((await prepareTraining(request)) ?? expect.unreachable()),
        training: { ...TRAINING, classes: 10 },
      }),
      /model\.yaml, training: .*expected a head with 2 classes, one per label, got 10$/,
    ],
    ['has it in no variant', () => undefined, /at least one variant whose head can be trained, got none/],
  ])('is refused for a model whose head %s, and nothing is left', async (_, prepare, message) => {
    const change = prepare === undefined ? {} : { prepareTraining: prepare };
    await expect(trainable(change)).rejects.toMatchObject({
      code: 'training-failed',
      message: expect.stringMatching(message),
    });
    expect(existsSync(model.outputDirectory)).toBe(false);
  });
});
