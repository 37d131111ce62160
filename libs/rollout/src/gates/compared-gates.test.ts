import { describe, expect, it } from 'vitest';
import { gateSchema } from '../spec/gate-spec.ts';
import { canDecide, comparisonInWords, planComparisons, ROLLOUT_LEVEL } from './compared-gates.ts';
import { evaluateGate } from './evaluate-gate.ts';
import type { WaveFacts } from './wave-facts.ts';

const latency = gateSchema.parse({ latencyP95: { versus: 'control', margin: '15%' } });
const unsure = gateSchema.parse({ lowConfidenceRate: { versus: 'control', margin: 0.03 } });
const limit = gateSchema.parse({ execution: { maxFailureRate: 0.05 } });
const facts = (differences: Partial<WaveFacts['differences']>): WaveFacts => ({
  counts: {},
  diverged: 0,
  devices: [],
  differences: { latencyP95: [], lowConfidenceRate: [], ...differences },
});
const compared = { level: 0.01, plannedPairs: 20 };

describe('planComparisons', () => {
  const waves = [
    { rpi4: 10, rpi5: 10 },
    { rpi4: 90, rpi5: 90 },
    { rpi4: 100, rpi5: 100 },
  ];

  it('splits the level over the gates and the waves that can compare', () => {
    const control = { rpi4: 20, rpi5: 4 };
    expect(planComparisons([latency, unsure, limit], waves, control)).toEqual([
      { level: ROLLOUT_LEVEL / 4, plannedPairs: 14 },
      { level: ROLLOUT_LEVEL / 4, plannedPairs: 24 },
      undefined,
    ]);
  });

  it('leaves the level to the waves that have enough pairs', () => {
    expect(planComparisons([latency], [{ rpi4: 2 }, { rpi4: 30 }, { rpi4: 30 }], { rpi4: 30 })[1]).toEqual({
      level: ROLLOUT_LEVEL,
      plannedPairs: 30,
    });
  });

  it('spends no more than the level, whatever the waves could still do with a larger share', () => {
    // Five pairs can decide at the level that the other wave has for itself, and not at a half of it.
    const plan = planComparisons([latency], [{ rpi5: 5 }, { rpi5: 30 }, { rpi5: 30 }], { rpi5: 30 });
    expect(plan).toEqual([
      { level: ROLLOUT_LEVEL / 2, plannedPairs: 5 },
      { level: ROLLOUT_LEVEL, plannedPairs: 30 },
      undefined,
    ]);
    const [few] = plan;
    if (few === undefined) throw new Error('the first wave is compared');
    expect(canDecide(few)).toBe(false);
    expect(evaluateGate(latency, facts({ latencyP95: [9, 9, 9, 9, 9] }), true, few)?.verdict).toBe('not-enough');
  });
});

describe('comparisonInWords', () => {
  const comparison = { lower: -0.03, upper: 0.28, eWorse: 4.04, eNotWorse: 0.2, eDecides: 20 };

  it('says the estimate with its bounds, the margin, the pairs and the evidence', () => {
    const gate = { gate: 'latencyP95 versus control', estimate: 0.12, bound: 0.15, evidence: 9, comparison };
    expect(comparisonInWords(gate)).toBe(
      'p95 +12 % (−3 % … +28 %), margin 15 %, 9 pairs, evidence 4 of 20 that it is worse',
    );
  });

  it('says shares as points, and what is not known yet', () => {
    const unknown = { ...comparison, lower: null, eWorse: 0.1, eNotWorse: 1.5 };
    const gate = { gate: 'lowConfidenceRate versus control', estimate: -0.01, bound: 0.03, evidence: 1 };
    expect(comparisonInWords({ ...gate, comparison: unknown })).toBe(
      'unsure answers −1 percentage points (? … +28 percentage points), margin 3 percentage points, 1 pair, evidence 1.5 of 20 that it is not worse',
    );
  });

  it('says nothing of a limit, or before the first pair', () => {
    const gate = { gate: 'latencyP95', estimate: 12, bound: 80, evidence: 9 };
    expect(comparisonInWords(gate)).toBeUndefined();
    expect(
      comparisonInWords({ ...gate, gate: 'latencyP95 versus control', estimate: null, comparison }),
    ).toBeUndefined();
  });
});

describe('a comparison', () => {
  it('stops a release that is slower than the devices that are held back', () => {
    const slower = Array.from({ length: 20 }, (_, index) => Math.log(1.31) + (index % 2 === 0 ? 0.02 : -0.02));
    expect(evaluateGate(latency, facts({ latencyP95: slower }), false, compared)).toMatchObject({
      gate: 'latencyP95 versus control',
      verdict: 'fail',
      bound: 0.15,
      words: expect.stringMatching(/^stopped: p95 \+31(\.\d)? % against control, margin 15 %, after \d+ devices$/),
    });
  });

  it('lets pass what is shown not to be worse, and looks at its own metric only', () => {
    const like = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 0.002 : -0.002));
    const worse = like.map(() => 0.5);
    expect(evaluateGate(unsure, facts({ lowConfidenceRate: like, latencyP95: worse }), false, compared)).toMatchObject({
      verdict: 'pass',
      words: expect.stringMatching(/^passed: unsure answers .* margin 3 percentage points, after \d+ devices$/),
    });
  });

  it('cannot tell from a few devices, even when nothing more can come', () => {
    expect(evaluateGate(latency, facts({ latencyP95: [1, 1, 1] }), true, compared)).toMatchObject({
      verdict: 'not-enough',
      evidence: 3,
      words: expect.stringContaining('cannot tell'),
    });
  });

  it('says nothing of the last wave, which has no control group any more', () => {
    expect(evaluateGate(latency, facts({}), true, undefined)).toBeUndefined();
  });
});
