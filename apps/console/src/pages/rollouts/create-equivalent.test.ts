import { parseRolloutSpec } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createEquivalent } from './create-equivalent.ts';
import { newGate, newRolloutForm, newWave, specOf } from './rollout-form.ts';

const usual = newRolloutForm('meter-reader@1.1.0');

describe('createEquivalent', () => {
  it('uses flags where they say the same', () => {
    expect(createEquivalent({ ...usual, target: 'profile in (rpi4, rpi5)', onFailure: 'pause' })).toBe(
      "aviary rollout create --release meter-reader@1.1.0 --target 'profile in (rpi4, rpi5)' --waves 10%,50%,100% --soak 30m --on-failure pause",
    );
  });

  it('has flags for precedence and newcomers, too', () => {
    const settings = { ...usual.settings, priority: '700' };
    expect(createEquivalent({ ...usual, settings, newcomers: 'ignore' })).toBe(
      'aviary rollout create --release meter-reader@1.1.0 --target all --waves 10%,50%,100% --soak 30m --priority 700 --newcomers ignore',
    );
  });

  it('asks for the same gates, deadline and probation as the command does without a file', () => {
    const { strategy, ...form } = parseRolloutSpec(specOf(usual));
    const waves = [
      { size: '10%', soak: '30m' },
      { size: '50%', soak: '30m' },
      { size: '100%', soak: '30m' },
    ];
    const { strategy: bare, ...command } = parseRolloutSpec({
      release: usual.release,
      target: 'all',
      strategy: { waves },
    });
    expect(form).toEqual(command);
    expect(strategy).toEqual(bare);
  });

  it.each([
    ['another gate', { gates: [newGate('execution'), newGate('latencyP95')] }],
    ['other soaks', { waves: [newWave('1', '5m'), newWave('100%', '0s')] }],
    ['a minimum', { waves: [{ ...newWave('10%', '5m'), minimum: '3' }, newWave('100%', '5m')] }],
    ['a deadline', { deadline: '2h' }],
    ['a shadow', { inShadow: true }],
    [
      'a window',
      { settings: { ...usual.settings, 'strategy.window.cron': '* 2 * * *', 'strategy.window.duration': '3h' } },
    ],
    ['a mode', { mode: 'download-only' as const }],
    ['approval', { needsApproval: true }],
    ['a probation', { probation: { ...usual.probation, minFrames: '500' } }],
  ])('uses a file for %s, which asks for just that', (_, changes) => {
    const form = { ...usual, ...changes };
    const command = createEquivalent(form, true);
    const [first, ...rest] = command.split('\n');
    expect(first).toBe("aviary rollout create -f /dev/stdin --dry-run <<'END'");
    expect(rest.at(-1)).toBe('END');
    expect(parseRolloutSpec(parse(rest.slice(0, -1).join('\n')))).toEqual(parseRolloutSpec(specOf(form)));
  });
});
