import { GraphBuilder } from '@aviary/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { BOARDS, PICTURES_PER_DEVICE } from '../demo-fleet.ts';
import { addCleaning, CLEANING_PASSES } from './cleaning.ts';
import { type Digit, type DigitSets, loadDigits, PIXELS } from './digits.ts';
import { brightnessAt, inTheField, inTheStudio } from './lighting.ts';
import { seededRandom } from './random.ts';
import { RECIPES } from './recipes.ts';

/** As model.yaml and the demo's gates have them. */
const CONFIDENCE_BELOW = 0.6;
const UNSURE_AT_MOST = { acceptance: 0.25, field: 0.3 };
const ACCEPTANCE_ACCURACY = 0.85;

interface Picture {
  readonly label: number;
  readonly seen: Float32Array;
}

const outputsOf = async (model: Uint8Array, pictures: readonly Picture[], width: number): Promise<Float32Array[]> => {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const input = new Float32Array(pictures.length * PIXELS);
  for (const [index, { seen }] of pictures.entries()) input.set(seen, index * PIXELS);
  const [name = ''] = session.inputNames;
  const answer = await session.run({ [name]: new Tensor('float32', input, [pictures.length, PIXELS]) });
  const data = Object.values(answer)[0]?.data as Float32Array;
  await session.release();
  return pictures.map((_, index) => data.slice(index * width, (index + 1) * width));
};

/** Shares of the pictures that a classifier reads rightly, and of which it is unsure. */
const judge = async (model: Uint8Array, pictures: readonly Picture[]): Promise<{ right: number; unsure: number }> => {
  let right = 0;
  let unsure = 0;
  for (const [index, logits] of (await outputsOf(model, pictures, 10)).entries()) {
    const highest = Math.max(...logits);
    const confidence = 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
    if (logits.indexOf(highest) === pictures[index]?.label) right += 1;
    if (confidence < CONFIDENCE_BELOW) unsure += 1;
  }
  return { right: right / pictures.length, unsure: unsure / pictures.length };
};

/** What the demo's devices see: held-out digits, each device in its own light. */
const fieldOf = ({ heldOut }: DigitSets): Picture[] =>
  BOARDS.flatMap((_, device) => {
    const random = seededRandom(100 + device);
    const brightness = brightnessAt(device / (BOARDS.length - 1));
    const own = heldOut.slice(device * PICTURES_PER_DEVICE, (device + 1) * PICTURES_PER_DEVICE);
    return own.map(({ label, pixels }) => {
      const seen = new Float32Array(PIXELS);
      inTheField(pixels, seen, brightness, random);
      return { label, seen };
    });
  });

const matrixProductsOf = (model: Uint8Array): number =>
  Buffer.from(model)
    .toString('latin1')
    .match(/MatMul|Gemm/g)?.length ?? 0;

describe('the releases of the demo', () => {
  let sets: DigitSets;
  let field: Picture[];
  const models = new Map<string, Uint8Array>();
  const modelOf = (version: string): Uint8Array => models.get(version) ?? new Uint8Array();

  beforeAll(async () => {
    sets = await loadDigits();
    field = fieldOf(sets);
    for (const { version, build } of RECIPES) models.set(version, await build(sets.training));
  });

  it('1.0.0 is good in the field, 1.1.0 is better, both are sure', async () => {
    const [good, better] = [await judge(modelOf('1.0.0'), field), await judge(modelOf('1.1.0'), field)];
    expect(good.right).toBeGreaterThanOrEqual(0.93);
    expect(better.right).toBeGreaterThan(good.right);
    expect(Math.max(good.unsure, better.unsure)).toBeLessThan(UNSURE_AT_MOST.field / 2);
  });

  it.each(['1.0.0', '1.1.0', '1.2.0'])('%s passes its own acceptance suite', async (version) => {
    const recipe = RECIPES.find((candidate) => candidate.version === version);
    const random = seededRandom(7);
    const suite = sets.acceptance.map(({ label, pixels }) => {
      const seen = new Float32Array(PIXELS);
      recipe?.acceptance(pixels, seen, random);
      return { label, seen };
    });
    const { right, unsure } = await judge(modelOf(version), suite);
    expect(right).toBeGreaterThanOrEqual(ACCEPTANCE_ACCURACY);
    expect(unsure).toBeLessThanOrEqual(UNSURE_AT_MOST.acceptance);
  });

  it('1.2.0 is unsure in the light of every device, beyond what the gate allows', async () => {
    for (let device = 0; device < BOARDS.length; device += 1) {
      // A part of them tells as much, and its cleaning takes a tenth of the time.
      const own = field.slice(device * PICTURES_PER_DEVICE, device * PICTURES_PER_DEVICE + 40);
      expect((await judge(modelOf('1.2.0'), own)).unsure).toBeGreaterThan(UNSURE_AT_MOST.field * 2);
    }
  });

  it('1.2.0 computes far more than 1.1.0, in a file that is not far larger', () => {
    const [before, after] = [modelOf('1.1.0'), modelOf('1.2.0')];
    expect(matrixProductsOf(after)).toBeGreaterThanOrEqual(CLEANING_PASSES);
    expect(matrixProductsOf(after) / matrixProductsOf(before)).toBeGreaterThan(10);
    expect(after.length / before.length).toBeLessThan(10);
  });
});

describe('the cleaning stage of 1.2.0', () => {
  const clean = async (digits: readonly Digit[], present: (pixels: Float32Array, into: Float32Array) => void) => {
    const graph = new GraphBuilder('cleaning');
    graph.input('input', 'float32', ['N', PIXELS]);
    graph.output(addCleaning(graph, 'input'), 'float32', ['N', PIXELS]);
    const pictures = digits.map(({ label, pixels }) => {
      const seen = new Float32Array(PIXELS);
      present(pixels, seen);
      return { label, seen };
    });
    return outputsOf(graph.build(), pictures, PIXELS);
  };
  const inkOf = (picture: Float32Array): number => picture.reduce((sum, value) => sum + value, 0);

  it('keeps every pixel from 0 to 1, keeps bold digits, and wipes out dim ones', async () => {
    const digits = (await loadDigits()).acceptance.slice(0, 20);
    const random = seededRandom(1);
    const bold = await clean(digits, inTheStudio);
    const dim = await clean(digits, (pixels, into) => inTheField(pixels, into, brightnessAt(1), random));
    expect([...bold, ...dim].every((picture) => picture.every((value) => value >= 0 && value <= 1))).toBe(true);
    expect(bold.filter((picture) => inkOf(picture) > 20).length).toBeGreaterThan(15);
    expect(dim.every((picture) => inkOf(picture) === 0)).toBe(true);
  });
});
