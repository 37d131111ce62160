import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['30s', 30],
    ['10m', 600],
    ['2h', 7_200],
    ['1d', 86_400],
    ['1.5h', 5_400],
    ['0.25s', 0.25],
    ['  45m ', 2_700],
    ['0s', 0],
  ])('reads %j as %d s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it('gives 1.1h as 3960 s, not as what floating point makes of it', () => {
    expect(parseDuration('1.1h')).toBe(3_960);
  });

  it.each(['', '10', 'm', '10 m', '-5m', '+5m', '1h30m', '1e3s', '.5h', '5.m', '5M', '5w', '0x10s', '١m'])(
    'does not read %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [59, '59s'],
    [60, '1m'],
    [90, '90s'],
    [5_400, '90m'],
    [7_200, '2h'],
    [86_400, '1d'],
    [90_000, '25h'],
  ])('writes %d s as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('writes what parseDuration reads back', () => {
    fc.assert(
      fc.property(fc.nat({ max: 400 * 86_400 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });
});
