import { describe, expect, it } from 'vitest';
import type { GateEvaluation } from '../../api/generated/index.ts';
import { comparisonSeries } from './comparison-series.ts';

const look = (at: number, wave: number, changes: Partial<GateEvaluation> = {}): GateEvaluation => ({
  wave,
  gate: 'latencyP95 versus control',
  verdict: 'not-enough',
  words: 'cannot tell yet',
  estimate: 0.12,
  bound: 0.15,
  evidence: 9,
  comparison: { lower: -0.05, upper: null, eWorse: 10, eNotWorse: 80, eDecides: 40 },
  at,
  ...changes,
});

describe('comparisonSeries', () => {
  it('has a series for each comparison, newest wave first, in per cent', () => {
    const [second, first] = comparisonSeries([look(1, 0), look(2, 0, { estimate: 0.2 }), look(3, 1)]);
    expect([second?.wave, first?.wave]).toEqual([1, 0]);
    expect(first).toMatchObject({
      times: [1, 2],
      estimate: [12, 20],
      lower: [-5, -5],
      upper: [null, null],
      margin: [15, 15],
      worse: [25, 25],
      newest: { at: 2 },
    });
    // What is decided is no more than decided.
    expect(first?.notWorse).toEqual([100, 100]);
  });

  it('leaves out gates that compare nothing, and looks before the first pair', () => {
    const counted = look(1, 0, { gate: 'execution', comparison: null });
    expect(comparisonSeries([counted, look(2, 0, { estimate: null })])).toEqual([]);
  });
});
