import { describe, expect, it } from 'vitest';
import { FeatureMemory } from './feature-memory.ts';

describe('the memory of features', () => {
  it('keeps the newest frames and forgets the oldest', () => {
    const memory = new FeatureMemory(3, 2);
    for (let frame = 1; frame <= 4; frame += 1) memory.keep(frame * 10, Float32Array.of(frame, -frame));
    expect(memory.find(10)).toBeUndefined();
    expect([20, 30, 40].map((frame) => [...(memory.find(frame) ?? [])])).toEqual([
      [2, -2],
      [3, -3],
      [4, -4],
    ]);
    expect(memory.find(-1)).toBeUndefined();
  });

  it('copies: the tensor that it was given is written over by the next frame', () => {
    const memory = new FeatureMemory(2, 1);
    const tensor = Float32Array.of(1);
    memory.keep(1, tensor);
    tensor[0] = 2;
    memory.keep(2, tensor);
    expect([memory.find(1)?.[0], memory.find(2)?.[0]]).toEqual([1, 2]);
  });
});
