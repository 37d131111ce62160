import { describe, expect, it } from 'vitest';
import { judgeStress, type StressFigures, type StressObservation } from './stress.ts';

const MB = 2 ** 20;
const fine: StressFigures = { frames: 1_000, failed: 0, p95Ms: 20 };
const still: StressObservation = { resident: [100, 100, 100, 100, 100, 100].map((mb) => mb * MB), throttling: [] };

describe('the judgement of a release under stress', () => {
  it.each<[string, Partial<StressFigures>, Partial<StressObservation>, string[]]>([
    ['is well', {}, {}, []],
    ['is on a board that tells nothing of itself', {}, { throttling: null, resident: [] }, []],
    [
      'is slower than it may',
      { p95Ms: 31 },
      {},
      ['95th percentile of the latency in 60 s of stress, in ms: expected at most 30, measured 31'],
    ],
    [
      'leaves pictures without an answer',
      { failed: 3, firstFailure: 'out of memory' },
      {},
      ['answers in 60 s of stress: expected all, 3 of 1003 pictures got none: out of memory'],
    ],
    [
      'answers nothing at all',
      { frames: 0 },
      {},
      ['answers in 60 s of stress: expected all, 0 of 0 pictures got none'],
    ],
    ['grows by what allocators keep', {}, { resident: [20, 100, 120, 140, 148].map((mb) => mb * MB) }, []],
    [
      'grows and grows',
      {},
      { resident: [20, 100, 120, 140, 149].map((mb) => mb * MB) },
      ['memory in 60 s of stress: expected at most 148 MB after 100 MB once it was warm, measured 149 MB'],
    ],
    ['is large, and grows by less than a quarter', {}, { resident: [400, 400, 450, 499].map((mb) => mb * MB) }, []],
    [
      'makes the board slow itself down',
      {},
      { throttling: ['thermal', 'frequency-capped'] },
      ['the board in 60 s of stress: expected it to keep its pace, it slowed itself down (thermal, frequency-capped)'],
    ],
  ])('%s', (_, figures, seen, expected) => {
    const limits = { maxP95Ms: 30, stressSeconds: 60 };
    const failures = judgeStress({ ...fine, ...figures }, { ...still, ...seen }, limits);
    expect(failures.map(({ words }) => words)).toEqual(expected);
  });
});
