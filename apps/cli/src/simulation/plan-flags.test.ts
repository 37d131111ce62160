import { describe, expect, it } from 'vitest';
import { UsageError } from '../command-line/usage-error.ts';
import { faultsOf, labelsOf, profilesOf, regressionsOf, shareOf, USUAL_LABELS, USUAL_PROFILES } from './plan-flags.ts';

describe('the flags of a simulation', () => {
  it('say who the devices are, and what goes wrong with them', () => {
    expect(Object.keys(profilesOf(USUAL_PROFILES))).toHaveLength(9);
    expect(profilesOf('rpi5=60%, rpi4=0.4')).toEqual({ rpi5: 0.6, rpi4: 0.4 });
    expect(labelsOf([USUAL_LABELS]).site).toHaveLength(6);
    expect(labelsOf(['site=lyon, turin', 'floor=1'])).toEqual({ site: ['lyon', 'turin'], floor: ['1'] });
    expect(faultsOf('failing', ['3%', 'grey@1.1.0=0.5'])).toEqual([
      { release: null, share: 0.03 },
      { release: 'grey@1.1.0', share: 0.5 },
    ]);
    expect(regressionsOf(['grey@1.1.0=30%', 'grey@1.2.0=-10%'])).toEqual([
      { release: 'grey@1.1.0', increase: 0.3 },
      { release: 'grey@1.2.0', increase: -0.1 },
    ]);
  });

  it.each([
    ['a share above all', () => shareOf('slow', '120%'), 'a share such as 3% or 0.03 for --slow, got "120%"'],
    ['no share', () => shareOf('slow', 'few'), '--slow, got "few"'],
    ['shares that are more than all', () => faultsOf('failing', ['60%', 'a@1.0.0=50%']), 'got 60% and a@1.0.0=50%'],
    ['a release without a version', () => faultsOf('silent', ['grey=3%']), 'before the "=" of --silent'],
    ['a board that nobody knows', () => profilesOf('rpi6=100%'), 'got "rpi6"'],
    ['a board without a share', () => profilesOf('rpi5'), 'got "rpi5"'],
    ['boards that are not all', () => profilesOf('rpi5=60%,rpi4=30%'), 'got 90%'],
    ['a board twice', () => profilesOf('rpi5=50%,rpi5=50%'), 'got rpi5 twice'],
    ['a label without a value', () => labelsOf(['site=']), 'got "site="'],
    ['a label twice', () => labelsOf(['site=lyon', 'site=turin']), 'got site twice'],
    ['a regression of no release', () => regressionsOf(['30%']), 'got "30%"'],
    ['a release that takes no time', () => regressionsOf(['a@1.0.0=-100%']), 'got "a@1.0.0=-100%"'],
  ])('are refused with %s', (_, read, words) => {
    expect(read).toThrow(UsageError);
    expect(read).toThrow(words);
  });
});
