import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseManifest } from '../archive/manifest.ts';
import { modelFolder } from '../testing/model-folder.ts';
import { verifyModelBom } from './model-bom-check.ts';
import type { BuildReleaseOptions } from './release-builder.ts';

const YAML = `name: reader
version: 1.0.0
task: text
models:
  - { id: find, task: detection, labels: [text], input: { width: 64, height: 64, resize: within }, output: { decoder: db } }
  - { id: read, task: text, labels: dictionary.txt, input: { width: 320, height: 48, resize: fixed-height } }
cascade: [{ model: find }, { model: read, margin: 0.1 }]
variants:
  - files: { find: find.onnx, read: read.onnx }
acceptance: { samples: suite, goldenSamples: 1, goldenTolerance: 0.01 }
`;
const model = modelFolder(YAML, {
  'find.onnx': 'finder',
  'read.onnx': 'reader',
  // The second line is an ideographic space.
  'dictionary.txt': 'a\n\u3000\nb\n',
  'suite/labels.csv': 'file,label\na.png,a b\n',
  'suite/a.png': 'picture',
});

/** Files of the one archive that is built. */
async function build(change: Partial<BuildReleaseOptions> = {}, yaml = YAML): Promise<Map<string, Buffer>> {
  const { variants } = await model.build(
    {
      runModel: async ({ model: { length }, samples, input }) =>
        samples.map(() => Float64Array.from({ length: input.width * 100 }, (_, i) => length + i)),
      ...change,
    },
    yaml,
  );
  return model.open(variants[0] ?? expect.unreachable());
}

describe('a release of several models', () => {
  it('has them all in each archive, and says in its manifest how they answer', async () => {
    const files = await build();
    expect(files.get('models/find.onnx')?.toString()).toBe('finder');
    expect(files.get('models/read.onnx')?.toString()).toBe('reader');
    expect(files.get('labels.txt')?.toString()).toBe('a\n\u3000\nb\n');
    const manifest = parseManifest(files.get('manifest.json') ?? Buffer.of());
    expect(manifest).toMatchObject({
      task: 'text',
      labels: ['a', '\u3000', 'b'],
      models: [
        {
          id: 'find',
          task: 'detection',
          labels: ['text'],
          file: 'models/find.onnx',
          preprocessing: { multipleOf: 32 },
        },
        { id: 'read', task: 'text', labels: ['a', '\u3000', 'b'], file: 'models/read.onnx' },
      ],
      cascade: [{ model: 'find' }, { model: 'read', margin: 0.1 }],
      variant: { file: 'models/find.onnx' },
      acceptance: { samples: [{ file: 'acceptance/a.png', label: 'a b' }] },
    });
    expect(manifest).not.toHaveProperty('preprocessing');
  });

  it('keeps of each one golden outputs, of long ones every so-many-th value', async () => {
    const manifest = parseManifest((await build()).get('manifest.json') ?? Buffer.of());
    const [find, read, ...others] = manifest.acceptance.golden;
    expect(others).toEqual([]);
    // 6,400 and 32,000 values, of which at most 4,096 are kept.
    expect(find).toMatchObject({ model: 'find', every: 2, file: 'acceptance/a.png' });
    expect(find?.output).toHaveLength(3200);
    expect(find?.output.slice(0, 3)).toEqual([6, 8, 10]);
    expect(read).toMatchObject({ model: 'read', every: 8 });
    expect(read?.output).toHaveLength(4000);
  });

  it('is listed with all of them in its bill of materials', async () => {
    const files = await build();
    const bom = files.get('bom.cdx.json') ?? Buffer.of();
    const digests = new Map(
      [...files].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]),
    );
    const manifest = parseManifest(files.get('manifest.json') ?? Buffer.of());
    expect(() => verifyModelBom(bom, manifest, digests)).not.toThrow();
    expect(() => verifyModelBom(bom, manifest, new Map(digests).set('models/read.onnx', 'x'))).toThrow(
      /models\/read\.onnx/,
    );
    const { modelParameters } = JSON.parse(bom.toString()).metadata.component.modelCard;
    expect(modelParameters.inputs).toHaveLength(2);
    expect(modelParameters.outputs[0].format).toBe('detection, of 1 labels, as db, activation none');
  });

  it('is inspected model by model', async () => {
    const seen: unknown[] = [];
    await build({ inspectModel: ({ file, part, labels }) => void seen.push([file, part.task, labels.length]) });
    expect(seen).toEqual([
      ['find.onnx', 'detection', 1],
      ['read.onnx', 'text', 3],
    ]);
  });

  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a file that is missing', () => rm(model.at('read.onnx')), 'files-missing', /read\.onnx/],
    [
      'an empty line in a dictionary',
      () => model.put('dictionary.txt', 'a\n\nb\n'),
      'labels-invalid',
      /line 2: expected a character/,
    ],
  ])('is refused with %s', async (_, spoil, code, message) => {
    await spoil();
    await expect(build()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('says which samples its task cannot answer', async () => {
    await model.put('suite/labels.csv', 'file,label\na.png,text\n');
    const single = `name: finder
version: 1.0.0
task: detection
labels: [text]
input: { width: 64, height: 64 }
output: { decoder: db }
variants: [{ file: find.onnx }]
acceptance: { samples: suite }
`;
    await expect(build({}, single)).rejects.toMatchObject({
      code: 'samples-invalid',
      message: expect.stringContaining('line 2: expected how many objects of each'),
    });
  });
});
