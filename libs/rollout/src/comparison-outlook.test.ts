import { describe, expect, it } from 'vitest';
import { smallestHarm } from './comparison/smallest-harm.ts';
import { ASSUMED_SIGMA, comparisonOutlook } from './comparison-outlook.ts';
import { gateSchema } from './spec/gate-spec.ts';

const latency = gateSchema.parse({ latencyP95: { versus: 'control', margin: '15%' } });
const unsure = gateSchema.parse({ lowConfidenceRate: { versus: 'control', margin: 0.03 } });
const limit = gateSchema.parse({ execution: { maxFailureRate: 0.05 } });

describe('comparisonOutlook', () => {
  it('says of each wave but the last what it can find at all, and what where devices differ', () => {
    const waves = [{ rpi5: 3 }, { rpi5: 20 }, { rpi5: 77 }];
    const [few, many, ...more] = [...comparisonOutlook([latency, limit], waves, { rpi5: 20 })];
    expect(more).toEqual([]);
    expect(few).toMatchObject({ wave: 0, pairs: 3, floor: null, found: null });
    expect(few?.words).toBe('wave 1 can never tell: 3 pairs, at least 6 are needed');
    const sigma = ASSUMED_SIGMA * Math.SQRT2;
    const harm = smallestHarm({ pairs: 20, scale: 'ratio', margin: 0.15, level: 0.05, sigma });
    expect(many).toMatchObject({ wave: 1, gate: 'latencyP95 versus control', neededPairs: 5, ...harm });
    expect(many?.words).toMatch(
      /^wave 2 finds no harm under \+\d+(\.\d)? %, with 20 pairs; \+\d+(\.\d)? % in 9 of 10 rollouts, where devices/,
    );
  });

  it('says of a rate only what can be found at all', () => {
    const [rate] = [...comparisonOutlook([unsure], [{ rpi5: 20 }, { rpi5: 30 }], { rpi5: 20 })];
    expect(rate).toMatchObject({ floor: expect.any(Number), found: null });
    expect(rate?.words).toMatch(/^wave 1 finds no harm under \+\d(\.\d)? percentage points, with 20 pairs$/);
  });

  it('is empty where nothing is compared', () => {
    expect([...comparisonOutlook([limit], [{ rpi5: 20 }, { rpi5: 30 }], {})]).toEqual([]);
  });
});
