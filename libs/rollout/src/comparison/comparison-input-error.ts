/** A comparison was asked for with numbers that make no sense: what was expected, what came, and what to do. */
export class ComparisonInputError extends Error {
  readonly code = 'comparison-input-invalid';
}

/** @throws ComparisonInputError unless it is a number above `above` and below `below` */
export const demandBetween = (name: string, value: number, above: number, below: number): void => {
  if (value > above && value < below) return;
  const range = below === Number.POSITIVE_INFINITY ? `above ${above}` : `between ${above} and ${below}`;
  throw new ComparisonInputError(`expected ${name} to be a number ${range}, got ${value}`);
};

/** @throws ComparisonInputError unless it is a whole number from 0 up */
export const demandCount = (name: string, value: number): void => {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new ComparisonInputError(`expected ${name} to be a whole number from 0 up, got ${value}`);
};
