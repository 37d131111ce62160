import { describe, expect, it } from 'vitest';
import { partsOfFrame } from './views.ts';

const FRAME = { width: 100, height: 60 };

describe('partsOfFrame', () => {
  it('is the whole frame where nothing else is said', () => {
    expect(partsOfFrame(FRAME, {})).toEqual([{ left: 0, top: 0, width: 100, height: 60 }]);
  });

  it('is a region in shares of the frame, in whole pixels within it', () => {
    const region = { left: 0.25, top: 0.5, width: 0.5, height: 0.5 };
    expect(partsOfFrame(FRAME, { region })).toEqual([{ left: 25, top: 30, width: 50, height: 30 }]);
    expect(partsOfFrame({ width: 3, height: 3 }, { region: { left: 0.99, top: 0, width: 0.01, height: 0.1 } })).toEqual(
      [{ left: 2, top: 0, width: 1, height: 1 }],
    );
  });

  it('cuts into tiles that overlap at least as asked, and cover all without reaching beyond', () => {
    const tiles = partsOfFrame(FRAME, { tiles: { width: 40, height: 40, overlap: 10 } });
    expect([...new Set(tiles.map(({ left }) => left))]).toEqual([0, 30, 60]);
    expect([...new Set(tiles.map(({ top }) => top))]).toEqual([0, 20]);
    expect(tiles).toHaveLength(6);
  });

  it('cuts a region into tiles, and leaves a side whole that is shorter than a tile', () => {
    const region = { left: 0.5, top: 0, width: 0.5, height: 1 };
    expect(partsOfFrame(FRAME, { region, tiles: { width: 32, height: 64, overlap: 0 } })).toEqual([
      { left: 50, top: 0, width: 32, height: 60 },
      { left: 68, top: 0, width: 32, height: 60 },
    ]);
  });
});
