import { parseRolloutSpec } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { specAsWritten } from './spec-as-written.ts';

describe('specAsWritten', () => {
  it('is read again as the very specification that it was made from', () => {
    const spec = parseRolloutSpec({
      release: 'meter-reader@1.1.0',
      target: 'site=lyon',
      strategy: {
        waves: [
          { size: 1, soak: '30m' },
          { size: '12.5%', minimum: 5, soak: '90s' },
          { size: '100%', soak: 0 },
        ],
        deadline: '2h',
        control: '12.5%',
        compareOver: '5m',
        rate: { perMinute: 20, increase: 1.5 },
        window: { cron: '0 2 * * *', duration: '3h', zone: 'device' },
        shadow: { seconds: '2m', minAgreement: '90%' },
        probation: { seconds: '2m', maxErrorRate: '0.7%' },
      },
      gates: [
        { execution: { maxFailureRate: '5%', minimum: 3 } },
        { lowConfidenceRate: { max: 0.15 } },
        { acceleratorFallback: { max: 0 } },
        { latencyP95: { maxMs: 80 } },
        { latencyP95: { versus: 'control', margin: '15%' } },
        { drift: { maxAlerts: '2%' } },
      ],
    });
    expect(parseRolloutSpec(specAsWritten(spec))).toEqual(spec);
  });

  it('has its parts in the order of the documentation, whatever order they come in', () => {
    const spec = { gates: [], onFailure: 'pause', target: 'all', release: 'a@1.0.0', strategy: {} };
    expect(Object.keys(Object(specAsWritten(spec)))).toEqual(['release', 'target', 'strategy', 'gates', 'onFailure']);
  });

  it('writes sizes, durations and shares as people do', () => {
    const written = specAsWritten(parseRolloutSpec({ release: 'a@1.0.0' }));
    expect(written).toMatchObject({
      strategy: {
        waves: [{ size: '10%', soak: '30m' }, { size: '50%' }, { size: '100%', soak: '10m' }],
        deadline: '6h',
      },
      gates: [{ execution: { maxFailureRate: '5%' } }],
    });
  });
});
