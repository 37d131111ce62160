import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MeasuredChange, mostPairs, pairInOrder } from './pairing.ts';

const arrivals = fc
  .array(
    fc.record({
      group: fc.constantFrom('wave' as const, 'control' as const),
      stratum: fc.constantFrom('rpi4', 'rpi5', 'jetson-orin-nano'),
      change: fc.double({ min: -1, max: 1, noNaN: true }),
    }),
    { maxLength: 60, size: 'max' },
  )
  .map((list): MeasuredChange[] => list.map((arrival, index) => ({ ...arrival, device: `device-${index}` })));

const sizesOf = (list: readonly MeasuredChange[]) =>
  [...new Set(list.map(({ stratum }) => stratum))].map((stratum) => {
    const own = list.filter((arrival) => arrival.stratum === stratum);
    const wave = own.filter(({ group }) => group === 'wave').length;
    return { wave, control: own.length - wave };
  });

describe('pairs', () => {
  it('are made within a stratum, of those who waited longest', () => {
    const pairs = pairInOrder([
      { device: 'a', group: 'wave', stratum: 'rpi5', change: 0.3 },
      { device: 'b', group: 'wave', stratum: 'rpi5', change: 0.2 },
      { device: 'c', group: 'control', stratum: 'rpi4', change: 0.9 },
      { device: 'd', group: 'control', stratum: 'rpi5', change: 0.1 },
      { device: 'e', group: 'wave', stratum: 'rpi4', change: 1 },
    ]);
    expect(pairs.map(({ wave, control }) => [wave, control])).toEqual([
      ['a', 'd'],
      ['e', 'c'],
    ]);
    expect(pairs[0]?.difference).toBeCloseTo(0.2, 12);
    expect(pairs[1]?.difference).toBeCloseTo(0.1, 12);
  });

  it('never hold a device twice, nor devices of two strata', () => {
    fc.assert(
      fc.property(arrivals, (list) => {
        const pairs = pairInOrder(list);
        const taken = pairs.flatMap(({ wave, control }) => [wave, control]);
        expect(new Set(taken).size).toBe(taken.length);
        const byDevice = new Map(list.map((arrival) => [arrival.device, arrival]));
        for (const { wave, control, stratum, difference } of pairs) {
          const [treated, held] = [byDevice.get(wave), byDevice.get(control)];
          expect(treated).toMatchObject({ group: 'wave', stratum });
          expect(held).toMatchObject({ group: 'control', stratum });
          expect(difference).toBe((treated?.change ?? 0) - (held?.change ?? 0));
        }
      }),
    );
  });

  it('are as many as the smaller side of each stratum allows', () => {
    fc.assert(
      fc.property(arrivals, (list) => {
        expect(pairInOrder(list)).toHaveLength(mostPairs(sizesOf(list)));
      }),
    );
  });

  it('are only added to by later arrivals', () => {
    fc.assert(
      fc.property(arrivals, fc.nat(), (list, cut) => {
        const before = pairInOrder(list.slice(0, cut % (list.length + 1)));
        expect(pairInOrder(list).slice(0, before.length)).toEqual(before);
      }),
    );
  });

  it('are refused of a device that arrives a second time', () => {
    const arrival: MeasuredChange = { device: 'a', group: 'wave', stratum: 'rpi5', change: 0 };
    expect(() => pairInOrder([arrival, { ...arrival, change: 0.1 }])).toThrow(/each device once, got a twice/);
  });
});
