import { describe, expect, it } from 'vitest';
import { fingerprintProblem, isFingerprint } from './fingerprint.ts';

const wanted = '3f9c'.padEnd(64, '0123456789abcdef');

describe('the fingerprint that a board shows', () => {
  it.each([wanted, wanted.toUpperCase(), ` ${wanted}\n`, (wanted.match(/../g) ?? []).join(':')])(
    'may be %s',
    (text) => {
      expect(isFingerprint(text, wanted)).toBe(true);
      expect(fingerprintProblem(text, wanted)).toBeUndefined();
    },
  );

  it('is not the beginning of one, though nothing is wrong with that so far', () => {
    expect(fingerprintProblem('3f9c:01', wanted)).toBeUndefined();
    expect(isFingerprint('3f9c:01', wanted)).toBe(false);
    expect(isFingerprint('', wanted)).toBe(false);
  });

  it('differs from the first digit on that differs', () => {
    expect(fingerprintProblem(`${wanted.slice(0, -1)}0`, wanted)).toMatch(/^Digit 64 differs/);
    expect(fingerprintProblem('3f:8', wanted)).toMatch(/^Digit 3 differs/);
    expect(fingerprintProblem(`${wanted}0`, wanted)).toMatch(/^Digit 65 differs/);
  });

  it('has hex digits only', () => {
    expect(fingerprintProblem('porch', wanted)).toBe('Expected 64 hex digits (0-9, a-f), got “porch”.');
  });
});
