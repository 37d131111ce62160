import { describe, expect, it } from 'vitest';
import { createRoundEquivalent, newRoundForm, roundSpecOf } from './round-form.ts';

const usual = newRoundForm('meter-reader@1.1.0');
const changed = {
  ...usual,
  target: 'site in (lyon, bonn)',
  values: { ...usual.values, goal: '4', collectFor: '10m', evaluateFor: '90', 'training.epochs': '2' },
};

describe('roundSpecOf', () => {
  it('leaves what nobody changed to the control plane', () => {
    expect(roundSpecOf(usual)).toEqual({ release: 'meter-reader@1.1.0', target: 'all' });
  });

  it('has durations in seconds and training in its part', () => {
    expect(roundSpecOf(changed)).toEqual({
      release: 'meter-reader@1.1.0',
      target: 'site in (lyon, bonn)',
      goal: 4,
      collectFor: 600,
      evaluateFor: 90,
      training: { epochs: 2 },
    });
  });

  it('passes on what is no number', () => {
    expect(roundSpecOf({ ...usual, values: { ...usual.values, goal: 'many', selectFor: 'soon' } })).toMatchObject({
      goal: 'many',
      selectFor: 'soon',
    });
  });
});

describe('createRoundEquivalent', () => {
  it('says what was changed as flags', () => {
    expect(createRoundEquivalent(usual)).toBe('aviary fed create --release meter-reader@1.1.0 --target all');
    expect(createRoundEquivalent(changed)).toBe(
      "aviary fed create --release meter-reader@1.1.0 --target 'site in (lyon, bonn)' --goal 4 --collect-for 10m --evaluate-for 90s --epochs 2",
    );
  });
});
