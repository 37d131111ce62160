/**
 * How devices scatter: `normal`; `heavy`, Student's t with 3 degrees of freedom, where some devices are far off; `skewed`,
 * exponential, as times that are now and then much longer.
 */
export type NoiseShape = 'normal' | 'heavy' | 'skewed';

/** Numbers from 0 up to 1, the same for the same seed: sfc32, whose period is long enough for millions of rollouts. */
const uniformFrom = (seed: number): (() => number) => {
  let [a, b, c, counter] = [seed | 0, ~seed, 0x9e3779b9 | 0, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 16; warmUp += 1) next();
  return next;
};

/** Noise of mean 0 and standard deviation 1, the same for the same seed. */
export const noiseFrom = (shape: NoiseShape, seed: number): (() => number) => {
  const uniform = uniformFrom(seed);
  const exponential = (): number => -Math.log(1 - uniform());
  // Box and Muller's transformation.
  const normal = (): number => Math.sqrt(2 * exponential()) * Math.cos(2 * Math.PI * uniform());
  switch (shape) {
    case 'normal':
      return normal;
    case 'heavy':
      // t is a normal over the root of a third of a χ² of 3; its own variance is 3, which takes the third away.
      return () => normal() / Math.sqrt(2 * exponential() + normal() ** 2);
    case 'skewed':
      return () => exponential() - 1;
  }
};
