import { describe, expect, it } from 'vitest';
import { type FoundObject, joinViews, overlap, suppress } from './found-object.ts';

const at = (left: number, score: number, index = 0): FoundObject => ({
  index,
  score,
  left,
  top: 0,
  right: left + 10,
  bottom: 10,
});

describe('overlap', () => {
  it('is the intersection over the union', () => {
    // 5 × 10 of 150.
    expect(overlap(at(0, 1), at(5, 1))).toBeCloseTo(1 / 3, 10);
    expect(overlap(at(0, 1), at(10, 1))).toBe(0);
    expect(overlap(at(0, 1), at(0, 1))).toBe(1);
  });
});

describe('suppress', () => {
  it('keeps the surest of those that cover each other, each label for itself', () => {
    const objects = [at(1, 0.5), at(0, 0.9), at(30, 0.3), at(0, 0.4, 1)];
    expect(suppress(objects, 0.45, 10)).toEqual([at(0, 0.9), at(0, 0.4, 1), at(30, 0.3)]);
    expect(suppress(objects, 0.45, 2)).toHaveLength(2);
    expect(suppress(objects, 1, 10)).toHaveLength(4);
  });

  it('does not let one that is gone suppress another', () => {
    // The second is gone because of the first; the third touches only the second.
    expect(suppress([at(0, 0.9), at(4, 0.8), at(8, 0.7)], 0.3, 10).map(({ left }) => left)).toEqual([0, 8]);
  });
});

describe('joinViews', () => {
  it('takes a part that another view has seen for the whole, though the part be surer', () => {
    const part = { ...at(0, 0.9), right: 3 };
    expect(joinViews([[part], [at(0, 0.6)]], 0.45, 10)).toEqual([at(0, 0.9)]);
  });

  it('leaves apart what one view has seen as two, what has another label, and what hardly touches', () => {
    const [inner, outer] = [{ ...at(0, 0.9), right: 3 }, at(0, 0.6)];
    expect(joinViews([[inner, outer], []], 0.45, 10)).toEqual([inner, outer]);
    expect(joinViews([[inner], [{ ...outer, index: 1 }]], 0.45, 10)).toHaveLength(2);
    expect(joinViews([[at(0, 0.9)], [at(8, 0.6)]], 0.45, 10)).toHaveLength(2);
  });

  it('keeps the surest so many', () => {
    expect(joinViews([[at(0, 0.5)], [at(30, 0.9)], [at(60, 0.7)]], 0.45, 2).map(({ left }) => left)).toEqual([30, 60]);
    expect(joinViews([], 0.45, 2)).toEqual([]);
  });
});
