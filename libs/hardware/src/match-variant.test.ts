import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXAMPLE_BOARDS, exampleFacts } from './example-facts.ts';
import type { DeviceFacts } from './facts.ts';
import { chooseVariant } from './match-variant.ts';
import { type Profile, parseProfile } from './profile.ts';
import { type MatchableVariant, REJECTION_CODES, type RejectionCode } from './variant-filter.ts';

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

/** A profile as it ships. */
const profileOf = (id: string): Profile =>
  parseProfile(JSON.parse(readFileSync(new URL(`../../../firmware-profiles/${id}.json`, import.meta.url), 'utf8')));

const jetson = profile([
  { runtime: 'tensorrt', formats: ['engine'], precisions: ['int8', 'fp16'], adapter: 'gpu' },
  { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['fp16', 'fp32'] },
]);
const building = profile([{ runtime: 'tensorrt', formats: ['engine', 'onnx'], precisions: ['fp16'], adapter: 'gpu' }]);
const hailo = profile([
  { runtime: 'hailort', formats: ['hef'], precisions: ['int8'], adapter: 'npu' },
  { runtime: 'onnxruntime', formats: ['onnx'], precisions: ['int8', 'fp32'] },
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
  it('gives a file of which an engine is built to an agent that builds it, and a built one before it', () => {
    const builds = {
      ...orin,
      runtimes: orin.runtimes.map((one) => (one.name === 'tensorrt' ? { ...one, prepares: ['onnx' as const] } : one)),
    };
    const portable: MatchableVariant = { ...engine('portable'), format: 'onnx' };
    const made = engine('made', { tensorrt: '10.3', computeCapability: '8.7' });
    expect(chooseVariant(builds, building, [portable]).chosen).toBe(portable);
    expect(chooseVariant(builds, building, [portable, made]).chosen).toBe(made);
  });

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
    expect(chooseVariant(rpi5, hailo, [])).toEqual({ chosen: null, considered: [], words: [] });
  });

  it('prefers one for just this chip to one for its kind, and that to one for all', () => {
    const all = engine('a');
    const kind = engine('b', { computeCapability: '8.7' });
    const chip = engine('c', { soc: ['tegra234'] });
    const { considered } = chooseVariant(orin, jetson, [all, kind, chip]);
    expect(considered.map(({ rank }) => rank)).toEqual([3, 2, 1]);
    expect(considered.map(({ behind }) => behind)).toEqual([
      'b is made for just this kind of GPU',
      'c is made for just this chip',
      null,
    ]);
  });

  it('says of each that can run why another is better', () => {
    const { considered } = chooseVariant(orin, jetson, [
      engine('t'),
      onnx('m', 'fp16'),
      onnx('n', 'fp32', { soc: ['tegra234'] }),
      onnx('p'),
      onnx('o'),
    ]);
    expect(considered.map(({ behind }) => behind)).toEqual([
      null,
      'board prefers tensorrt to onnxruntime',
      'board prefers fp16 to fp32',
      'its id comes later',
      'n is made for just this chip',
    ]);
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

describe('whatever the board and the release', () => {
  const version = fc.constantFrom('8.5', '10', '10.3', '4.20', '4.19', '36.4', '2.31', '2.38');
  const requirements = fc.record(
    {
      minMemoryMB: fc.constantFrom(512, 4_000, 64_000),
      arch: fc.constantFrom(['arm64'], ['x64'], ['x64', 'arm64']),
      soc: fc.constantFrom(['tegra234'], ['hailo8l', 'hailo8'], ['bcm2711', 'bcm2712']),
      computeCapability: fc.constantFrom('7.2', '8.7'),
      tensorrt: version,
      l4t: version,
      hailort: version,
      glibc: version,
    },
    { requiredKeys: [] },
  );
  const kind = fc.constantFrom(
    { runtime: 'onnxruntime' as const, format: 'onnx' as const },
    { runtime: 'tensorrt' as const, format: 'engine' as const },
    { runtime: 'tflite' as const, format: 'tflite' as const },
    { runtime: 'hailort' as const, format: 'hef' as const },
  );
  const variants: fc.Arbitrary<MatchableVariant[]> = fc.uniqueArray(
    fc
      .record({
        id: fc.stringMatching(/^[a-z0-9-]{1,6}$/),
        precision: fc.constantFrom('fp32' as const, 'fp16' as const, 'int8' as const),
        opset: fc.option(fc.integer({ min: 7, max: 25 }), { nil: undefined }),
        requires: fc.option(requirements, { nil: undefined }),
        kind,
      })
      .map(({ kind: { runtime, format }, ...rest }) => ({ ...rest, runtime, format })),
    { selector: ({ id }) => id, maxLength: 8 },
  );
  const board = fc.constantFrom(...EXAMPLE_BOARDS).chain((name) =>
    fc.record({
      facts: fc.constantFrom(
        exampleFacts(name),
        { ...exampleFacts(name), accelerators: [] },
        { ...exampleFacts(name), runtimes: [] },
      ),
      on: fc.constant(profileOf(name)),
    }),
  );
  const byId = (choice: ReturnType<typeof chooseVariant>) =>
    new Map(
      choice.considered.map(({ variant, rank, behind, rejections }) => [variant.id, { rank, behind, rejections }]),
    );

  it('the same facts give the same choice, in whatever order the variants come', () => {
    fc.assert(
      fc.property(board, variants, fc.infiniteStream(fc.nat()), ({ facts, on }, list, draws) => {
        const weights = new Map(list.map(({ id }) => [id, draws.next().value ?? 0]));
        const shuffled = list.toSorted((a, b) => (weights.get(a.id) ?? 0) - (weights.get(b.id) ?? 0));
        const choice = chooseVariant(facts, on, list);
        expect(byId(chooseVariant(facts, on, shuffled))).toEqual(byId(choice));
        expect(chooseVariant(facts, on, list)).toEqual(choice);
      }),
    );
  });

  it('what is chosen passes every filter, and what is not ranked has a reason with a code', () => {
    fc.assert(
      fc.property(board, variants, ({ facts, on }, list) => {
        const { chosen, considered } = chooseVariant(facts, on, list);
        expect(considered).toHaveLength(list.length);
        for (const { variant, rank, rejections } of considered) {
          expect(rank === null).toBe(rejections.length > 0);
          expect(variant === chosen).toBe(rank === 1);
          for (const { code, words } of rejections) {
            expect(REJECTION_CODES).toContain(code);
            expect(words).not.toMatch(/undefined|null|NaN/);
          }
        }
        const ranks = considered.flatMap(({ rank }) => (rank === null ? [] : [rank])).sort((a, b) => a - b);
        expect(ranks).toEqual(ranks.map((_, index) => index + 1));
      }),
    );
  });

  it('what is chosen fits all that it asks for', () => {
    fc.assert(
      fc.property(board, variants, ({ facts, on }, list) => {
        const { chosen } = chooseVariant(facts, on, list);
        if (chosen === null) return;
        const { requires = {} } = chosen;
        expect(facts.runtimes.map(({ name }) => name)).toContain(chosen.runtime);
        if (requires.arch !== undefined) expect(requires.arch).toContain(facts.arch);
        if (requires.minMemoryMB !== undefined) expect(facts.memoryMB).toBeGreaterThanOrEqual(requires.minMemoryMB);
        if (requires.l4t !== undefined) expect(`${facts.l4t}.`).toMatch(new RegExp(`^${requires.l4t}\\.`));
        if (requires.computeCapability !== undefined)
          expect(facts.accelerators.map(({ computeCapability }) => computeCapability)).toContain(
            requires.computeCapability,
          );
      }),
    );
  });
});
