import { describe, expect, it } from 'vitest';
import { exampleFacts } from './example-facts.ts';
import type { DeviceFacts } from './facts.ts';
import { chooseVariant } from './match-variant.ts';
import type { Profile } from './profile.ts';
import { building, engine, hailo, hef, jetson, onnx, orin, profile, rpi5, withHailo } from './testing/boards.ts';
import type { MatchableVariant, RejectionCode } from './variant-filter.ts';

const codes = (facts: DeviceFacts, on: Profile, variant: MatchableVariant): RejectionCode[] =>
  chooseVariant(facts, on, [variant]).considered.flatMap(({ rejections }) => rejections.map(({ code }) => code));

describe('a variant is refused', () => {
  it.each<[RejectionCode, DeviceFacts, Profile, MatchableVariant, string]>([
    ['format', rpi5, hailo, { ...onnx('a'), format: 'tflite' }, 'board does not run tflite with onnxruntime'],
    ['precision', rpi5, hailo, onnx('a', 'fp16'), 'onnxruntime on board does int8, fp32, not fp16'],
    ['adapter', { ...orin, accelerators: [] }, jetson, engine('a'), 'tensorrt needs a gpu, and none was found'],
    ['runtime-missing', { ...rpi5, runtimes: [] }, hailo, onnx('a'), 'onnxruntime is not installed'],
    [
      'runtime-unusable',
      { ...withHailo, runtimes: withHailo.runtimes.map((one) => ({ ...one, usable: one.name === 'onnxruntime' })) },
      hailo,
      hef,
      'hailort is installed, and the agent there cannot run models with it',
    ],
    [
      'runtime-unusable',
      {
        ...withHailo,
        runtimes: withHailo.runtimes.map((one) => ({ ...one, usable: one.name === 'onnxruntime' })),
        failedSidecars: [
          { name: 'edgetpu', runtime: 'tflite', problem: 'no stick' },
          { name: 'hailo', runtime: 'hailort', problem: 'no driver' },
        ],
      },
      hailo,
      hef,
      'hailort is installed, and the agent there cannot run models with it: hailo says "no driver"',
    ],
    [
      'runtime-missing',
      {
        ...withHailo,
        runtimes: [],
        failedSidecars: [{ name: 'hailo', runtime: 'hailort', problem: 'install hailo-all' }],
      },
      hailo,
      hef,
      'hailort is not installed: hailo says "install hailo-all"',
    ],
    [
      'runtime-unusable',
      orin,
      building,
      { ...engine('a'), format: 'onnx' },
      'the agent there does not build what tensorrt runs from onnx',
    ],
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
    [
      'soc',
      withHailo,
      hailo,
      { ...hef, requires: { soc: ['hailo8', 'hailo10h'] } },
      'needs chip hailo8 or hailo10h, has 5-model-b, bcm2712, hailo8l',
    ],
    [
      'opset',
      { ...rpi5, runtimes: [{ name: 'onnxruntime', version: '1.16.3', providers: ['cpu'] }] },
      hailo,
      { ...onnx('a'), opset: 20 },
      'needs operator set 20, has 19',
    ],
  ])('for %s', (code, facts, on, variant, words) => {
    const [considered] = chooseVariant(facts, on, [variant]).considered;
    expect(considered).toEqual({ variant, rank: null, behind: null, rejections: [{ code, words }] });
  });

  it('for a driver that its library does not match', () => {
    const accelerators = withHailo.accelerators.map((one) => ({ ...one, library: '4.19.0' }));
    const [line] = chooseVariant({ ...withHailo, accelerators }, hailo, [hef]).words;
    expect(line).toBe('hef: cannot run: driver 4.20.0 and HailoRT 4.19.0 differ');
    expect(codes({ ...withHailo, accelerators }, hailo, onnx('a'))).toEqual([]);
  });

  it.each<[string, Partial<DeviceFacts['accelerators'][number]>, string]>([
    ['library is not known', { library: undefined }, 'HailoRT is not installed, or nothing tells its version'],
    [
      'driver is not known',
      { driver: undefined },
      'its driver is not loaded, or tells no version; HailoRT 4.20.0 needs the same',
    ],
  ])('as made for a Hailo whose %s', (_, change, words) => {
    const accelerators = withHailo.accelerators.map((one) => ({ ...one, ...change }));
    const [considered] = chooseVariant({ ...withHailo, accelerators }, hailo, [hef]).considered;
    expect(considered?.rejections).toEqual([{ code: 'driver-library', words }]);
  });

  it('as made for an Edge TPU whose library is missing, whatever its driver is', () => {
    const coral = exampleFacts('coral-dev-board');
    const board = profile([{ runtime: 'tflite', formats: ['tflite'], precisions: ['int8'], adapter: 'tpu' }]);
    const tflite: MatchableVariant = { id: 'tpu', runtime: 'tflite', format: 'tflite', precision: 'int8' };
    expect(codes(coral, board, tflite)).toEqual([]);
    const accelerators = coral.accelerators.map(({ library: _, ...one }) => one);
    expect(codes({ ...coral, accelerators }, board, tflite)).toEqual(['driver-library']);
  });

  it.each([
    ['1.20.1', 21, true],
    ['1.20.1', 22, false],
    ['1.12', 17, true],
    ['1.12', 18, false],
    // Newer than the table: nobody guesses.
    ['1.30.0', 99, true],
    ['2.0.0', 99, true],
  ])('as ONNX, by ONNX Runtime %s with operator set %i: it runs: %s', (version, opset, runs) => {
    const facts = { ...rpi5, runtimes: [{ name: 'onnxruntime' as const, version, providers: ['cpu'] }] };
    expect(codes(facts, hailo, { ...onnx('a'), opset })).toEqual(runs ? [] : ['opset']);
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
