import type { SimulationPlan } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { type Character, characterOf } from './character.ts';

const DEVICES = 2_000;
const plan: SimulationPlan = {
  devices: DEVICES,
  seed: 1,
  profiles: { rpi5: 0.6, rpi4: 0.4 },
  labels: { site: ['lyon', 'turin'] },
  failing: [{ release: null, share: 0.03 }],
  silent: [{ release: 'grey@1.1.0', share: 0.1 }],
  slow: 0.05,
  drifting: 0.2,
  regressions: [{ release: 'grey@1.1.0', increase: 0.3 }],
  telemetrySeconds: 10,
  joinsPerSecond: 20,
  stateDirectory: null,
};

const fleetOf = (change: Partial<SimulationPlan> = {}): Character[] =>
  Array.from({ length: DEVICES }, (_, device) => characterOf({ ...plan, ...change }, device));

/** What can be compared of a character. */
const traits = (character: Character) => ({
  ...character,
  failure: character.failure('grey@1.0.0'),
  silence: character.silence('grey@1.1.0'),
  regression: character.regression('grey@1.1.0'),
});

const share = (fleet: readonly Character[], has: (character: Character) => boolean): number =>
  fleet.filter(has).length / fleet.length;

describe('the character of a simulated device', () => {
  const fleet = fleetOf();

  it('follows from the seed and its number alone', () => {
    const backwards = Array.from({ length: DEVICES }, (_, index) => characterOf(plan, DEVICES - 1 - index)).reverse();
    expect(backwards.map(traits)).toEqual(fleet.map(traits));
    expect(fleetOf({ seed: 2 }).map(traits)).not.toEqual(fleet.map(traits));
  });

  it('keeps a trait when another one is asked for in another share', () => {
    const failing = (characters: readonly Character[]) =>
      characters.flatMap((character, device) => (character.failure('grey@1.0.0') === undefined ? [] : [device]));
    const others = fleetOf({ slow: 0.5, drifting: 0, silent: [], profiles: { rpi4: 1 } });
    expect(failing(others)).toEqual(failing(fleet));
    // Who fails at 3 % fails at 6 %, too.
    const more = failing(fleetOf({ failing: [{ release: null, share: 0.06 }] }));
    expect(more).toEqual(expect.arrayContaining(failing(fleet)));
    expect(more.length).toBeGreaterThan(failing(fleet).length);
  });

  it.each([
    ['profile', 0.6, (one: Character) => one.profile === 'rpi5'],
    ['label', 0.5, (one: Character) => one.labels.site === 'lyon'],
    ['failure of any release', 0.03, (one: Character) => one.failure('grey@2.0.0') !== undefined],
    ['silence with the release that is named', 0.1, (one: Character) => one.silence('grey@1.1.0') !== undefined],
    ['silence with another one', 0, (one: Character) => one.silence('grey@1.0.0') !== undefined],
    ['slowness', 0.05, (one: Character) => one.slowness > 1],
    ['drift', 0.2, (one: Character) => one.drifts],
  ])('has its %s in the share that was asked for', (_, wanted, has) => {
    const spread = 4 * Math.sqrt((wanted * (1 - wanted)) / DEVICES);
    expect(Math.abs(share(fleet, has) - wanted)).toBeLessThanOrEqual(spread);
  });

  it('fails in each of the three ways, and falls silent in both', () => {
    const all = fleetOf({ failing: [{ release: null, share: 1 }], silent: [{ release: null, share: 1 }] });
    expect(new Set(all.map((one) => one.failure('a@1.0.0')))).toEqual(new Set(['load', 'admission', 'probation']));
    expect(new Set(all.map((one) => one.silence('a@1.0.0')))).toEqual(new Set(['hangs', 'vanishes']));
  });
});
