import { describe, expect, it } from 'vitest';
import { gateSchema } from '../spec/gate-spec.ts';
import { planComparisons, ROLLOUT_LEVEL } from './compared-gates.ts';
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
