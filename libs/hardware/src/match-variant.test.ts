import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleFacts } from './example-facts.ts';
import type { DeviceFacts } from './facts.ts';
import { chooseVariant, type MatchableVariant, type RejectionCode } from './match-variant.ts';
import { type Profile, parseProfile } from './profile.ts';

const profile = (runtimes: readonly Partial<Profile['runtimes'][number]>[], id = 'board'): Profile =>
  parseProfile({
    id,
    title: 'A board',
    vendor: 'Somebody',
    match: { arch: ['arm64'] },
    memoryMB: 1024,
    runtimes,
    sources: ['https://example.com/datasheet'],
  });

const jetson = profile([
  { runtime: 'tensorrt', formats: ['engine'], precisions: ['int8', 'fp16'], adapter: 'gpu' },
  { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['fp16', 'fp32'], providers: ['tensorrt', 'cuda', 'cpu'] },
]);
const hailo = profile([
  { runtime: 'hailort', formats: ['hef'], precisions: ['int8'], adapter: 'npu' },
  { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['int8', 'fp32'], providers: ['cpu'] },
]);

const onnx = (id: string, precision: MatchableVariant['precision'] = 'fp32', requires = {}): MatchableVariant => ({
  id,
  runtime: 'onnxruntime',
  format: 'onnx',
  precision,
  requires,
});
const engine = (id: string, requires: MatchableVariant['requires'] = {}): MatchableVariant => ({
  id,
  runtime: 'tensorrt',
  format: 'engine',
  precision: 'fp16',
  requires,
});
const hef: MatchableVariant = { id: 'hef', runtime: 'hailort', format: 'hef', precision: 'int8' };

const orin = exampleFacts('jetson-orin-nano');
const rpi5 = exampleFacts('rpi5');
const withHailo = exampleFacts('rpi5-hailo8l');

const codes = (facts: DeviceFacts, on: Profile, variant: MatchableVariant): RejectionCode[] =>
  chooseVariant(facts, on, [variant]).considered.flatMap(({ rejections }) => rejections.map(({ code }) => code));

describe('chooseVariant', () => {
  it('follows the order of the runtimes of the profile before that of its precisions', () => {
    const choice = chooseVariant(orin, jetson, [onnx('onnx-32'), onnx('onnx-16', 'fp16'), engine('trt-16')]);
    expect(choice.chosen?.id).toBe('trt-16');
    expect(choice.considered.map(({ variant, rank }) => [variant.id, rank])).toEqual([
      ['onnx-32', 3],
      ['onnx-16', 2],
      ['trt-16', 1],
    ]);
  });

  it('says for each variant what became of it', () => {
    const { words } = chooseVariant(rpi5, hailo, [hef, onnx('large', 'int8', { minMemoryMB: 9_000 }), onnx('small')]);
    expect(words).toEqual([
      'hef: cannot run: hailort needs a npu, and none was found; hailort is not installed',
      'large: cannot run: needs MB of memory 9000, has 8052',
      'small: chosen (onnxruntime, onnx, fp32)',
    ]);
  });

  it('chooses nothing when nothing fits, and the words say why for each', () => {
    const choice = chooseVariant(rpi5, hailo, [hef, engine('trt')]);
    expect(choice.chosen).toBeNull();
    expect(choice.considered.map(({ rank }) => rank)).toEqual([null, null]);
    expect(choice.words).toHaveLength(2);
    for (const line of choice.words) expect(line).toMatch(/^(hef|trt): cannot run: .+/);
  });

  it('chooses nothing of nothing', () => {
    expect(chooseVariant(rpi5, hailo, [])).toEqual({ chosen: null, providers: ['cpu'], considered: [], words: [] });
  });

  it('gives the providers of the profile in its order, for the entry that runs the variant', () => {
    expect(chooseVariant(orin, jetson, [onnx('a')]).providers).toEqual(['tensorrt', 'cuda', 'cpu']);
    expect(chooseVariant(orin, jetson, [onnx('a'), engine('b')]).providers).toEqual(['cpu']);
    const twice = profile([
      { runtime: 'onnxruntime', formats: ['engine'], precisions: ['fp16'], providers: ['tensorrt'] },
      { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['fp32'], providers: ['cuda', 'cpu'] },
    ]);
    expect(chooseVariant(orin, twice, [onnx('a')]).providers).toEqual(['cuda', 'cpu']);
  });

  it('lets a measurement decide between equals only, and an unmeasured variant come last', () => {
    const [a, b, c] = [onnx('a'), onnx('b'), onnx('c')];
    expect(chooseVariant(rpi5, hailo, [b, c, a]).chosen).toBe(a);
    expect(chooseVariant(rpi5, hailo, [a, b, c], { b: 30, c: 20 }).considered.map(({ rank }) => rank)).toEqual([
      3, 2, 1,
    ]);
    const better = onnx('z', 'int8');
    expect(chooseVariant(rpi5, hailo, [a, better], { a: 1, z: 900 }).chosen).toBe(better);
  });

  it('does not take what every object has for a measurement', () => {
    expect(chooseVariant(rpi5, hailo, [onnx('toString'), onnx('b')], { b: 10 }).chosen?.id).toBe('b');
  });

  it('does not depend on the order of the variants', () => {
    const variants = [onnx('a'), onnx('b', 'int8'), onnx('c'), hef, engine('d')];
    fc.assert(
      fc.property(fc.shuffledSubarray(variants, { minLength: 5 }), (shuffled) => {
        const choice = chooseVariant(withHailo, hailo, shuffled);
        const ranks = choice.considered.map(({ variant, rank }) => [variant.id, rank] as const);
        expect(new Map(ranks)).toEqual(
          new Map([
            ['hef', 1],
            ['b', 2],
            ['a', 3],
            ['c', 4],
            ['d', null],
          ]),
        );
      }),
    );
  });
});

describe('a variant is refused', () => {
  it.each<[RejectionCode, DeviceFacts, Profile, MatchableVariant, string]>([
    ['format', rpi5, hailo, { ...onnx('a'), format: 'tflite' }, 'board does not run tflite with onnxruntime'],
    ['precision', rpi5, hailo, onnx('a', 'fp16'), 'onnxruntime on board does int8, fp32, not fp16'],
    ['adapter', { ...orin, accelerators: [] }, jetson, engine('a'), 'tensorrt needs a gpu, and none was found'],
    ['runtime-missing', { ...rpi5, runtimes: [] }, hailo, onnx('a'), 'onnxruntime is not installed'],
    ['arch', rpi5, hailo, onnx('a', 'fp32', { arch: ['x64', 'arm'] }), 'needs architecture x64 or arm, has arm64'],
    ['memory', rpi5, hailo, onnx('a', 'fp32', { minMemoryMB: 8_053 }), 'needs MB of memory 8053, has 8052'],
    [
      'compute-capability',
      orin,
      jetson,
      engine('a', { computeCapability: '7.2' }),
      'needs compute capability 7.2, has 8.7',
    ],
    ['tensorrt', orin, jetson, engine('a', { tensorrt: '10.4' }), 'needs TensorRT 10.4, has 10.3.0'],
    ['l4t', orin, jetson, engine('a', { l4t: '35' }), 'needs Jetson Linux 35, has 36.4.3'],
    ['hailort', withHailo, hailo, { ...hef, requires: { hailort: '4.19' } }, 'needs HailoRT 4.19, has 4.20.0'],
    ['glibc', rpi5, hailo, onnx('a', 'fp32', { glibc: '2.38' }), 'needs glibc 2.38, has 2.36'],
  ])('for %s', (code, facts, on, variant, words) => {
    const [considered] = chooseVariant(facts, on, [variant]).considered;
    expect(considered).toEqual({ variant, rank: null, rejections: [{ code, words }] });
  });

  it('for a driver that its library does not match', () => {
    const accelerators = withHailo.accelerators.map((one) => ({ ...one, library: '4.19.0' }));
    const [line] = chooseVariant({ ...withHailo, accelerators }, hailo, [hef]).words;
    expect(line).toBe('hef: cannot run: driver 4.20.0 and library 4.19.0 differ');
    expect(codes({ ...withHailo, accelerators }, hailo, onnx('a'))).toEqual([]);
  });

  it('for all reasons at once', () => {
    const { l4t: _, glibc: __, ...bare } = { ...orin, accelerators: [], runtimes: [] };
    const demanding = engine('a', {
      computeCapability: '8.7',
      tensorrt: '10',
      l4t: '36',
      glibc: '2.31',
      arch: ['x64'],
    });
    expect(codes(bare, jetson, demanding).sort()).toEqual(
      ['adapter', 'arch', 'compute-capability', 'glibc', 'l4t', 'runtime-missing', 'tensorrt'].sort(),
    );
    const [line] = chooseVariant(bare, jetson, [demanding]).words;
    expect(line).toContain('needs TensorRT 10, has none');
    expect(line).toContain('needs glibc 2.31, has none');
  });

  it.each([
    ['10', true],
    ['10.3', true],
    ['10.3.0', true],
    ['10.3.0.1', false],
    ['10.30', false],
    ['1', false],
    ['10.', false],
  ])('as an engine, unless TensorRT 10.3.0 is what %j says as far as that is written: %s', (tensorrt, runs) => {
    expect(codes(orin, jetson, engine('a', { tensorrt }))).toEqual(runs ? [] : ['tensorrt']);
  });

  it.each([
    ['2.36', true],
    ['2.31', true],
    ['2.9', true],
    ['2.36.1', false],
    ['2.37', false],
    ['3', false],
    ['2', true],
  ])('for glibc 2.36 unless that is at least %s: %s', (glibc, runs) => {
    expect(codes(rpi5, hailo, onnx('a', 'fp32', { glibc }))).toEqual(runs ? [] : ['glibc']);
  });

  it('not for what exactly suffices', () => {
    expect(codes(rpi5, hailo, onnx('a', 'fp32', { minMemoryMB: 8_052, arch: ['arm64'] }))).toEqual([]);
    expect(codes(orin, jetson, engine('a', { computeCapability: '8.7', l4t: '36.4' }))).toEqual([]);
  });
});
