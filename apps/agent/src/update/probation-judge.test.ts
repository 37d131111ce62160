import type { Probation } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import type { Observation } from '../inference/serving.ts';
import { judgeProbation } from './probation-judge.ts';

const limits: Probation = {
  seconds: 60,
  minFrames: 20,
  maxErrorRate: 0.05,
  maxLowConfidenceRate: 0.3,
  maxP95Ratio: 2,
};
const good: Observation = { frames: 100, errors: 0, lowConfidence: 0, labelled: 0, correct: 0, p95Ms: 10 };
const judge = (seen: Partial<Observation>, more: { before?: number | null; elapsed?: number } = {}) =>
  judgeProbation(limits, { ...good, ...seen }, more.before ?? null, more.elapsed ?? 60);

describe('the judge of probation', () => {
  it('passes what is within all limits, once the time is over', () => {
    expect(judge({}, { elapsed: 59.9 })).toEqual({ verdict: 'going-on' });
    expect(judge({}, { elapsed: 60 })).toEqual({ verdict: 'passed' });
  });

  it('does not take silence for proof, however long it lasts', () => {
    expect(judge({ frames: 0 }, { elapsed: 86_400 })).toEqual({ verdict: 'going-on' });
    expect(judge({ frames: 19 }, { elapsed: 86_400 })).toEqual({ verdict: 'going-on' });
    expect(judge({ frames: 20 }, { elapsed: 86_400 })).toEqual({ verdict: 'passed' });
  });

  it('says nothing against a release before enough frames were tried, answered or not', () => {
    expect(judge({ frames: 10, errors: 9 }, { elapsed: 0 })).toEqual({ verdict: 'going-on' });
    expect(judge({ frames: 10, errors: 10 }, { elapsed: 0 })).toMatchObject({ verdict: 'failed', code: 'error-rate' });
  });

  it.each([
    ['error-rate', { frames: 94, errors: 6 }, { frames: 95, errors: 5 }, '6 of 100 frames failed (6 %), at most 5 %'],
    ['error-rate', { frames: 0, errors: 20 }, { frames: 20, errors: 1 }, '20 of 20 frames failed (100 %)'],
    ['low-confidence', { lowConfidence: 31 }, { lowConfidence: 30 }, 'low confidence on 31 % of 100 frames'],
  ])('fails by %s at once, and only above the limit', (code, over, at, words) => {
    const verdict = judge(over, { elapsed: 0 });
    expect(verdict).toMatchObject({ verdict: 'failed', code });
    expect(verdict).toMatchObject({ words: expect.stringContaining(words) });
    expect(judge(at, { elapsed: 0 })).toEqual({ verdict: 'going-on' });
  });

  it('fails a release that is so many times slower than the one before on this device', () => {
    expect(judge({ p95Ms: 20 }, { before: 10 })).toEqual({ verdict: 'passed' });
    const verdict = judge({ p95Ms: 45 }, { before: 10, elapsed: 0 });
    expect(verdict).toMatchObject({
      verdict: 'failed',
      code: 'latency',
      words: 'p95 is 45.0 ms, 4.5 times the 10.0 ms of the release before, at most 2 times allowed',
    });
  });

  it('compares with nothing where nothing was measured', () => {
    expect(judge({ p95Ms: 1e6 }, { before: null })).toEqual({ verdict: 'passed' });
    expect(judge({ p95Ms: 1e6 }, { before: 0 })).toEqual({ verdict: 'passed' });
  });

  it('may be asked for no frames at all', () => {
    const none = { ...limits, minFrames: 0, seconds: 0 };
    expect(judgeProbation(none, { ...good, frames: 0, p95Ms: 0 }, 10, 0)).toEqual({ verdict: 'passed' });
  });
});
