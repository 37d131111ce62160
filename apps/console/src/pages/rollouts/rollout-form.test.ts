import { parseRolloutSpec, RolloutSpecError } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { GATE_NAMES, gateName } from './gate-kinds.ts';
import { type GateRow, newGate, newRolloutForm, newWave, specOf } from './rollout-form.ts';

const usual = newRolloutForm('meter-reader@1.1.0');

const problemsOf = (spec: unknown): readonly string[] => {
  try {
    parseRolloutSpec(spec);
    return [];
  } catch (error) {
    if (error instanceof RolloutSpecError) return error.problems.map(({ path }) => path);
    throw error;
  }
};

describe('specOf', () => {
  it('is a specification, with every gate that there is as the form begins it', () => {
    const waves = [newWave('10%', '30m'), newWave('100%', '30m')];
    const spec = parseRolloutSpec(specOf({ ...usual, control: '10%', waves, gates: GATE_NAMES.map(newGate) }));
    expect(spec.gates.map((gate) => Object.keys(gate)[0])).toEqual(GATE_NAMES.map(gateName));
    expect(spec.strategy.control).toEqual({ percent: 10 });
    expect(spec.gates).toContainEqual({ latencyP95: { versus: 'control', margin: 0.15 } });
    expect(spec.strategy.waves.map(({ size }) => size)).toEqual([{ percent: 10 }, { percent: 100 }]);
  });

  it('passes on what is no number, so that the place is named', () => {
    const waves = [{ ...newWave('ten', 'soon'), minimum: 'few' }, newWave('100%', '0s')];
    const gates: GateRow[] = [
      { ...newGate('comparedLatency'), values: { margin: 'much' } },
      { ...newGate('latencyP95'), values: { maxMs: 'fast', minimumDevices: '1' } },
    ];
    const spec = specOf({ ...usual, release: 'meter-reader', target: 'site=', waves, gates, deadline: '0s' });
    expect(problemsOf(spec)).toEqual([
      'release',
      'target',
      'strategy.waves.0.size',
      'strategy.waves.0.minimum',
      'strategy.waves.0.soak',
      'strategy.deadline',
      'gates.0.latencyP95.margin',
      'gates.1.latencyP95.maxMs',
    ]);
  });
});
