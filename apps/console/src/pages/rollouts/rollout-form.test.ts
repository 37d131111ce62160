import { parseRolloutSpec, RolloutSpecError } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { GATE_NAMES, gateName } from './gate-kinds.ts';
import { type GateRow, newGate, newRolloutForm, newWave, type RolloutForm, specOf } from './rollout-form.ts';

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

  it('asks for everything that it can ask for, as rollout.yaml does', () => {
    const settings = {
      ...usual.settings,
      'strategy.compareOver': '5m',
      'strategy.shadow.seconds': '2m',
      'strategy.shadow.frames': '500',
      'strategy.shadow.every': '5',
      'strategy.shadow.minAgreement': '90%',
      'strategy.window.cron': '0 2 * * *',
      'strategy.window.duration': '3h',
      'strategy.window.zone': 'Europe/Paris',
      'strategy.forceAfter': '2h',
      'strategy.rate.perMinute': '200',
      'strategy.rate.increase': '1.5',
      'strategy.rate.every': '100',
      'strategy.retries': '2',
      priority: '700',
      requires: 'meter-reader@1.0.0',
    };
    const form: RolloutForm = {
      ...usual,
      settings,
      control: '10%',
      inShadow: true,
      mode: 'soft',
      newcomers: 'continue',
      onUncertain: 'pass',
      needsApproval: true,
    };
    const { strategy, ...spec } = parseRolloutSpec(specOf(form));
    expect(spec).toMatchObject({
      requires: 'meter-reader@1.0.0',
      priority: 700,
      newcomers: 'continue',
      onUncertain: 'pass',
      approval: 'required',
    });
    expect(strategy).toMatchObject({
      compareOver: 300,
      shadow: { seconds: 120, frames: 500, every: 5, minAgreement: 0.9 },
      window: { cron: '0 2 * * *', duration: 10_800, zone: 'Europe/Paris' },
      mode: 'soft',
      forceAfter: 7200,
      rate: { perMinute: 200, increase: 1.5, every: 100 },
      retries: 2,
    });
  });

  it('leaves out what belongs to something that was taken back', () => {
    const settings = {
      ...usual.settings,
      'strategy.compareOver': '5m',
      'strategy.shadow.frames': '500',
      'strategy.forceAfter': '2h',
    };
    expect(specOf({ ...usual, settings })).toEqual(specOf(usual));
  });

  it('passes on half of a window or a rate, so that the other half is asked for', () => {
    const settings = { ...usual.settings, 'strategy.window.cron': 'nightly', 'strategy.rate.increase': '2' };
    expect(problemsOf(specOf({ ...usual, settings }))).toEqual([
      'strategy.rate.perMinute',
      'strategy.window.cron',
      'strategy.window.duration',
    ]);
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
