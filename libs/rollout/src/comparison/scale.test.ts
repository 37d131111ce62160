import { describe, expect, it } from 'vitest';
import { ComparisonInputError } from './comparison-input-error.ts';
import { changeOf, effectInWords, marginInWords, toChange, toEffect } from './scale.ts';

describe('a change', () => {
  it('of a time is the same for a slow board and a fast one that slow down by the same share', () => {
    expect(changeOf('ratio', 10, 13)).toBeCloseTo(changeOf('ratio', 200, 260), 12);
    expect(toEffect('ratio', changeOf('ratio', 200, 260))).toBeCloseTo(0.3, 12);
  });

  it('of a rate is the difference', () => {
    expect(changeOf('difference', 0.02, 0.05)).toBeCloseTo(0.03, 12);
    expect(toEffect('difference', toChange('difference', 0.03))).toBe(0.03);
  });

  it('may begin at a rate of 0', () => {
    expect(changeOf('difference', 0, 0.05)).toBe(0.05);
  });

  it.each<['ratio' | 'difference', number, number, RegExp]>([
    ['ratio', 0, 12, /before the release to be a finite number above 0, got 0; leave/],
    ['ratio', 12, -1, /after the release to be a finite number above 0, got -1/],
    ['ratio', 12, Number.POSITIVE_INFINITY, /got Infinity/],
    ['difference', Number.NaN, 0.1, /before the release to be a finite number, got NaN/],
  ])('on the scale %s is refused from %d to %d', (scale, before, after, message) => {
    expect(() => changeOf(scale, before, after)).toThrow(message);
    expect(() => changeOf(scale, before, after)).toThrow(ComparisonInputError);
  });
});

it('effects and margins are told as people say them', () => {
  expect(effectInWords('ratio', 0.31)).toBe('+31 %');
  expect(effectInWords('ratio', -0.0349)).toBe('−3.5 %');
  expect(effectInWords('difference', 0.0421)).toBe('+4.2 percentage points');
  expect(marginInWords('difference', 0.03)).toBe('3 percentage points');
});
