import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHeader } from '../age/age-header.ts';
import { openPayload } from '../age/age-payload.ts';
import { ageRecipientOf, generateAgeIdentity } from '../age/age-recipient.ts';
import { parseManifest } from '../archive/manifest.ts';
import { readArchive } from '../archive/variant-archive.ts';
import { newSigner } from '../testing/repository-simulator.ts';
import { verifyModelBom } from './model-bom-check.ts';
import { parseModelDefinition } from './model-definition.ts';
import { type BuildReleaseOptions, buildRelease } from './release-builder.ts';

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
const identity = generateAgeIdentity();
let folder: string;
let directory: string;

const put = (path: string, content: string | Uint8Array) => writeFile(join(directory, path), content);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-models-'));
  directory = join(folder, 'model');
  await mkdir(join(directory, 'suite'), { recursive: true });
  await put('find.onnx', 'finder');
  await put('read.onnx', 'reader');
  // The second line is an ideographic space.
  await put('dictionary.txt', 'a\n\u3000\nb\n');
  await put('suite/labels.csv', 'file,label\na.png,a b\n');
  await put('suite/a.png', 'picture');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function build(change: Partial<BuildReleaseOptions> = {}, yaml = YAML): Promise<Map<string, Buffer>> {
  const { variants } = await buildRelease({
    directory,
    definition: parseModelDefinition(yaml),
    releaseCounter: 1,
    rollbackFloor: 0,
    minAgent: '0.1.0',
    now: 0,
    signer: newSigner(),
    recipient: ageRecipientOf(identity),
    outputDirectory: join(folder, 'out'),
    inspectModel: () => undefined,
    profilesFor: () => ['rpi5'],
    runModel: async ({ model, samples, input }) =>
      samples.map(() => Float64Array.from({ length: input.width * 100 }, (_, i) => model.length + i)),
    ...change,
  });
  const [built] = variants;
  if (built === undefined) throw new Error('expected a variant');
  const plain: Buffer[] = [];
  const sealed = await readFile(built.payloadFile);
  for await (const part of openPayload(openHeader(built.ageHeader, identity), [sealed])) plain.push(part);
  return readArchive(Buffer.concat(plain));
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
    ['a file that is missing', () => rm(join(directory, 'read.onnx')), 'files-missing', /read\.onnx/],
    [
      'an empty line in a dictionary',
      () => put('dictionary.txt', 'a\n\nb\n'),
      'labels-invalid',
      /line 2: expected a character/,
    ],
  ])('is refused with %s', async (_, spoil, code, message) => {
    await spoil();
    await expect(build()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('says which samples its task cannot answer', async () => {
    await put('suite/labels.csv', 'file,label\na.png,text\n');
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
