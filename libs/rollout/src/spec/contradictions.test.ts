import { describe, expect, it } from 'vitest';
import { parseRolloutSpec, RolloutSpecError } from './rollout-spec.ts';

const release = 'meter-reader@1.4.0';
const compared = { latencyP95: { versus: 'control', margin: '15%' } };
const waves = [{ size: '10%' }, { size: '60%' }, { size: '100%' }];

const problemsOf = (value: Record<string, unknown>): Record<string, string> => {
  try {
    parseRolloutSpec({ release, ...value });
    return {};
  } catch (error) {
    if (!(error instanceof RolloutSpecError)) throw error;
    return Object.fromEntries(error.problems.map(({ path, message }) => [path, message]));
  }
};

describe('what does not go together', () => {
  it.each<[string, Record<string, unknown>, Record<string, string>]>([
    [
      'a comparison without a control group',
      { gates: [compared] },
      { 'gates.0.latencyP95.versus': 'expected a control group to compare with: set strategy.control, e.g. 10%' },
    ],
    [
      'a comparison with one wave',
      { gates: [compared], strategy: { control: 5, waves: [{ size: '100%' }] } },
      { 'gates.0.latencyP95.versus': 'expected at least two waves: the last one takes the control group' },
    ],
    [
      'a control group that a wave before the last needs',
      { strategy: { control: '41%', waves } },
      {
        'strategy.control':
          'expected at most 40%, got 41%: wave 2 takes 60%, and the control group is held back until the last one',
      },
    ],
    [
      'a gate twice',
      { gates: [{ latencyP95: { maxMs: 80 } }, { latencyP95: { maxMs: 90 } }] },
      { 'gates.1': 'expected every gate once: latencyP95 is gates.0 already' },
    ],
    [
      'a time without consent where none is asked for',
      { strategy: { forceAfter: '2h' } },
      { 'strategy.forceAfter': 'expected mode: soft beside it; forced waits for no consent' },
    ],
    [
      'a time without consent that ends with the deadline',
      { strategy: { mode: 'soft', forceAfter: '6h' } },
      { 'strategy.forceAfter': 'expected less than the deadline, 6h, got 6h' },
    ],
    [
      'a shadow that ends with the deadline',
      { strategy: { deadline: '10m', shadow: { seconds: '10m' } } },
      { 'strategy.shadow.seconds': 'expected less than the deadline, 10m, got 10m' },
    ],
    [
      'a shadow of what is only fetched',
      { strategy: { mode: 'download-only', shadow: {} } },
      { 'strategy.shadow': 'expected none: with mode: download-only nothing serves the release' },
    ],
    [
      'what only serving shows, of a release that is only fetched',
      {
        strategy: { mode: 'download-only', control: '10%', waves, probation: { seconds: 5 } },
        gates: [
          { execution: { maxFailureRate: 0 } },
          compared,
          { lowConfidenceRate: { max: 0.1 } },
          { drift: { maxAlerts: 0 } },
          { acceleratorFallback: { max: 0 } },
        ],
      },
      {
        'strategy.probation': 'expected none: with mode: download-only nothing serves the release',
        'gates.1.latencyP95': 'expected execution or success: with mode: download-only nothing serves the release',
        'gates.2.lowConfidenceRate':
          'expected execution or success: with mode: download-only nothing serves the release',
        'gates.3.drift': 'expected execution or success: with mode: download-only nothing serves the release',
        'gates.4.acceleratorFallback':
          'expected execution or success: with mode: download-only nothing serves the release',
      },
    ],
  ])('%s', (_, value, problems) => {
    expect(problemsOf(value)).toEqual(problems);
  });

  it('is told together with what cannot be read', () => {
    const problems = problemsOf({ onFailure: 'shrug', gates: [{ succes: {} }, compared], strategy: { waves } });
    expect(Object.keys(problems).sort()).toEqual(['gates.0', 'gates.1.latencyP95.versus', 'onFailure']);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a limit and a comparison of one metric', { gates: [{ latencyP95: { maxMs: 80 } }, compared] }],
    ['a control group that fits exactly', { gates: [compared], strategy: { control: '40%', waves } }],
    ['a time without consent before the deadline', { strategy: { mode: 'soft', forceAfter: '2h' } }],
    ['a release that is only fetched, and counted', { strategy: { mode: 'download-only' } }],
    ['a shadow before the deadline', { strategy: { deadline: '10m', shadow: { seconds: '9m' } } }],
    ['a control group by number', { gates: [compared], strategy: { control: 20, waves } }],
  ])('is not %s', (_, { strategy, ...value }) => {
    expect(problemsOf({ ...value, strategy: { control: '10%', waves, ...(strategy as object) } })).toEqual({});
  });
});
