import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXAMPLE_BOARDS, exampleFacts } from './example-facts.ts';
import { chooseVariant } from './match-variant.ts';
import { type Profile, parseProfile } from './profile.ts';
import { building, engine, hailo, hef, jetson, onnx, orin, rpi5, withHailo } from './testing/boards.ts';
import { type MatchableVariant, REJECTION_CODES } from './variant-filter.ts';

/** A profile as it ships. */
const profileOf = (id: string): Profile =>
  parseProfile(JSON.parse(readFileSync(new URL(`../../../firmware-profiles/${id}.json`, import.meta.url), 'utf8')));

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
