import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agreementOf } from './agreement.ts';
import type { DetectedObject, FrameAnswer } from './frame.ts';

const saying = (label: string, more: Partial<FrameAnswer> = {}): FrameAnswer => ({
  label,
  confidence: 0.9,
  lowConfidence: false,
  ...more,
});
const object = (label: string, left: number, width = 10): DetectedObject => ({
  label,
  index: 0,
  confidence: 0.9,
  box: { left, top: 0, width, height: 10 },
});
const seeing = (...objects: DetectedObject[]): FrameAnswer => saying('some', { objects });
const embedding = (...vector: number[]): FrameAnswer => saying('', { vector });
const raw = (values: number[], shape = [values.length]): FrameAnswer =>
  saying('', { outputs: [{ name: 'out', shape, values }] });

describe('the agreement of two releases on a frame', () => {
  it.each<[string, Parameters<typeof agreementOf>[0], FrameAnswer, FrameAnswer, number]>([
    ['the same label', 'classification', saying('dark'), saying('dark', { confidence: 0.1, lowConfidence: true }), 1],
    ['another label', 'classification', saying('dark'), saying('light'), 0],
    ['the same text', 'text', saying('A-17'), saying('A-17'), 1],
    ['another text', 'text', saying('A-17'), saying('A-1'), 0],
    ['nothing found by both', 'detection', seeing(), seeing(), 1],
    ['something found by one', 'detection', seeing(object('car', 0)), seeing(), 0],
    ['the same box', 'detection', seeing(object('car', 0)), seeing(object('car', 0)), 1],
    [
      'a box that is moved by a third: IoU 0.5',
      'detection',
      seeing(object('car', 0, 9)),
      seeing(object('car', 3, 9)),
      1,
    ],
    ['a box that is moved by half: IoU 1/3', 'detection', seeing(object('car', 0)), seeing(object('car', 5)), 0],
    ['the same box with another label', 'detection', seeing(object('car', 0)), seeing(object('bus', 0)), 0],
    ['one box of two', 'detection', seeing(object('car', 0), object('car', 50)), seeing(object('car', 0)), 2 / 3],
    [
      'one box found twice counts once',
      'detection',
      seeing(object('car', 0)),
      seeing(object('car', 0), object('car', 1)),
      2 / 3,
    ],
    [
      'the best pairs are made first',
      'detection',
      seeing(object('car', 0), object('car', 1)),
      seeing(object('car', 1), object('car', 2)),
      1,
    ],
    [
      'equal shares',
      'segmentation',
      saying('a', { shares: { a: 0.7, b: 0.3 } }),
      saying('a', { shares: { a: 0.7, b: 0.3 } }),
      1,
    ],
    [
      'a fifth given to another label',
      'segmentation',
      saying('a', { shares: { a: 1 } }),
      saying('a', { shares: { a: 0.8, b: 0.2 } }),
      0.8,
    ],
    ['nothing in common', 'segmentation', saying('a', { shares: { a: 1 } }), saying('b', { shares: { b: 1 } }), 0],
    ['the same direction', 'embedding', embedding(0.6, 0.8), embedding(0.6, 0.8), 1],
    ['a right angle', 'embedding', embedding(1, 0), embedding(0, 1), 0],
    ['the other way', 'embedding', embedding(1, 0), embedding(-1, 0), 0],
    ['vectors of other lengths', 'embedding', embedding(1, 0), embedding(1, 0, 0), 0],
    ['objects of a cascade that embeds them', 'embedding', seeing(object('car', 0)), seeing(object('car', 0)), 1],
    ['numbers within the tolerance', 'raw', raw([1, 2, Number.NaN]), raw([1.05, 1.95, Number.NaN]), 1],
    ['one number beyond it', 'raw', raw([1, 2]), raw([1, 2.2]), 0],
    ['another shape', 'raw', raw([1, 2], [1, 2]), raw([1, 2], [2, 1]), 0],
    ['no number where there was one', 'raw', raw([1]), raw([Number.NaN]), 0],
  ])('%s', (_, task, serving, candidate, expected) => {
    expect(agreementOf(task, serving, candidate, 0.1)).toBeCloseTo(expected, 9);
  });

  it('of boxes is symmetric, from 0 to 1, and 1 for a release and itself', () => {
    const anyObjects = fc.array(
      fc.record({
        label: fc.constantFrom('car', 'bus'),
        index: fc.constant(0),
        confidence: fc.constant(0.5),
        box: fc.record({
          left: fc.integer({ min: 0, max: 30 }),
          top: fc.integer({ min: 0, max: 30 }),
          width: fc.integer({ min: 1, max: 20 }),
          height: fc.integer({ min: 1, max: 20 }),
        }),
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(anyObjects, anyObjects, (one, other) => {
        const [there, back] = [
          agreementOf('detection', seeing(...one), seeing(...other), 0),
          agreementOf('detection', seeing(...other), seeing(...one), 0),
        ];
        expect(there).toBeGreaterThanOrEqual(0);
        expect(there).toBeLessThanOrEqual(1);
        expect(agreementOf('detection', seeing(...one), seeing(...one), 0)).toBe(1);
        // Of overlaps that are equal the first is taken, which may leave one pair more or less.
        expect(Math.abs(there - back) * (one.length + other.length)).toBeLessThanOrEqual(2.000001);
      }),
    );
  });
});
