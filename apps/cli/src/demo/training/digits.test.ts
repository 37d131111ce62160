import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BOARDS, PICTURES_PER_DEVICE } from '../demo-fleet.ts';
import { type Digit, loadDigits, PIXELS } from './digits.ts';

const fingerprint = ({ pixels }: Digit): string => createHash('sha256').update(pixels).digest('hex');

describe('loadDigits', async () => {
  const sets = await loadDigits();
  const all = [...sets.training, ...sets.acceptance, ...sets.heldOut];

  it('splits the digits into three sets without overlap', () => {
    const sizes = [sets.training, sets.acceptance, sets.heldOut].map((digits) => new Set(digits.map(fingerprint)).size);
    // Were one picture in two sets, all of them together would have fewer that differ.
    expect(new Set(all.map(fingerprint)).size).toBe(sizes.reduce((sum, size) => sum + size, 0));
    expect(all).toHaveLength(10_000);
  });

  it('has pictures for every device of the demo', () => {
    expect(sets.heldOut.length).toBeGreaterThanOrEqual(BOARDS.length * PICTURES_PER_DEVICE);
  });

  it('has every digit in every set, and ink from 0 to 1', () => {
    for (const digits of Object.values(sets) as Digit[][]) {
      expect(new Set(digits.map(({ label }) => label)).size).toBe(10);
    }
    expect(all.every(({ pixels }) => pixels.length === PIXELS && pixels.every((ink) => ink >= 0 && ink <= 1))).toBe(
      true,
    );
  });

  it('splits the same way each time', async () => {
    const again = await loadDigits();
    expect(again.acceptance.map(fingerprint)).toEqual(sets.acceptance.map(fingerprint));
  });
});
