import { exampleFacts } from '@aviary/hardware';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesSelector, type SelectableDevice } from './selector.ts';
import { parseSelector } from './selector-parser.ts';

describe('matchesSelector', () => {
  const device: SelectableDevice = {
    attributes: { id: 'd-1', profile: 'rpi5', release: null, presence: 'online' },
    labels: { site: 'lyon', floor: '' },
    facts: exampleFacts('rpi5-hailo8l'),
  };

  it.each([
    ['all', true],
    ['site=lyon', true],
    ['site=Lyon', false],
    ['site in (paris, lyon)', true],
    ['site!=paris', true],
    ['building=1', false],
    ['building!=1', true],
    ['building not in (1)', true],
    ['has floor', true],
    ['floor=""', true],
    ['has building', false],
    ['has release', false],
    ['release!=a@1.0.0', true],
    ['model=a', false],
    ['profile=rpi5 and site=paris', false],
    ['profile=rpi5 or site=paris', true],
    ['label.profile=rpi5', false],
    ['fact.memoryMB >= 8052', true],
    ['fact.memoryMB > 8052', false],
    ['fact.memoryMB <= 8052', true],
    ['fact.memoryMB < 8052', false],
    ['fact.memoryMB = 8052.0', true],
    ['fact.cpu.cores in (2, 4)', true],
    ['fact.accelerators.kind = npu', true],
    ['fact.accelerators.kind != npu', false],
    ['fact.runtimes.name = hailort and fact.runtimes.name = onnxruntime', true],
    ['fact.deviceTree.compatible = "brcm,bcm2712"', true],
    ['fact.accelerators.memoryMB > 1', false],
    ['not fact.accelerators.memoryMB > 1', true],
    ['has fact.l4t', false],
    ['has fact.glibc', true],
    ['fact.simulated != true', true],
    ['fact.simulated = false', false],
    ['has constructor', false],
    ['toString!=x', true],
  ])('%s: %s', (text, expected) => {
    expect(matchesSelector(parseSelector(text), device)).toBe(expected);
  });

  it('follows De Morgan, whatever the device has', () => {
    const value = fc.constantFrom('1', '2', undefined);
    fc.assert(
      fc.property(value, value, (a, b) => {
        const labels = Object.fromEntries(Object.entries({ a, b }).filter((entry) => entry[1] !== undefined));
        const some: SelectableDevice = { attributes: {}, labels: labels as Record<string, string> };
        const holds = (text: string) => matchesSelector(parseSelector(text), some);
        expect(holds('not (a=1 or b=1)')).toBe(holds('a!=1 and b!=1'));
        expect(holds('not (a=1 and b=1)')).toBe(holds('a!=1 or b!=1'));
        expect(holds('a in (1, 2)')).toBe(holds('a=1 or a=2'));
        expect(holds('has a')).toBe(a !== undefined);
      }),
    );
  });
});
