import { ComparisonInputError } from './comparison-input-error.ts';

/**
 * How two values of a metric are set against each other. `ratio`: times and sizes, where a slow board and a fast one get
 * slower by the same share; changes are differences of logarithms. `difference`: rates from 0 to 1; changes are plain
 * differences.
 */
export type ComparisonScale = 'ratio' | 'difference';

/** A margin or a harm as a person says it (`0.15` for +15 %, `0.03` for three percentage points) on the scale of changes. */
export const toChange = (scale: ComparisonScale, effect: number): number =>
  scale === 'ratio' ? Math.log1p(effect) : effect;

/** The other way round: a change as a person says it. */
export const toEffect = (scale: ComparisonScale, change: number): number =>
  scale === 'ratio' ? Math.expm1(change) : change;

/**
 * How a device's metric changed from the window before the release to the one with it.
 * @throws ComparisonInputError when a value is not a finite number, or is not above 0 where a ratio is asked for
 */
export const changeOf = (scale: ComparisonScale, before: number, after: number): number => {
  for (const [when, value] of [
    ['before', before],
    ['after', after],
  ] as const) {
    const fits = Number.isFinite(value) && (scale === 'difference' || value > 0);
    if (fits) continue;
    const expected = scale === 'ratio' ? 'a finite number above 0' : 'a finite number';
    throw new ComparisonInputError(
      `expected the metric ${when} the release to be ${expected}, got ${value}; leave devices out that measured nothing`,
    );
  }
  return scale === 'ratio' ? Math.log(after) - Math.log(before) : after - before;
};

const rounded = (value: number): string => String(Number((value * 100).toFixed(1)));

/** A margin in words: `15 %`, `3 percentage points`. */
export const marginInWords = (scale: ComparisonScale, margin: number): string =>
  scale === 'ratio' ? `${rounded(margin)} %` : `${rounded(margin)} percentage points`;

/** An effect in words: `+31 %`, `−1.5 percentage points`. */
export const effectInWords = (scale: ComparisonScale, effect: number): string => {
  const sign = effect < 0 ? '−' : '+';
  return `${sign}${marginInWords(scale, Math.abs(effect))}`;
};
