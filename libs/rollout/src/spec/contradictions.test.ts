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
    ['a control group by number', { gates: [compared], strategy: { control: 20, waves } }],
  ])('is not %s', (_, { strategy, ...value }) => {
    expect(problemsOf({ ...value, strategy: { control: '10%', waves, ...(strategy as object) } })).toEqual({});
  });
});
