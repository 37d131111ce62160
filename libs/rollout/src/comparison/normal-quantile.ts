const ratio = (x: number, above: readonly number[], below: readonly number[]): number => {
  const at = (coefficients: readonly number[]): number => coefficients.reduceRight((sum, next) => sum * x + next, 0);
  return at(above) / at(below);
};

/**
 * The value that a standard normal variable stays below with a given probability, to about 7 digits.
 * Source: M. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37, 1988,
 * routine PPND7.
 * @param probability above 0 and below 1
 */
export const normalQuantile = (probability: number): number => {
  const centred = probability - 0.5;
  if (Math.abs(centred) <= 0.425) {
    return (
      centred *
      ratio(
        0.180625 - centred * centred,
        [3.3871327179, 50.434271938, 159.29113202, 59.10937472],
        [1, 17.895169469, 78.757757664, 67.1875636],
      )
    );
  }
  const tail = Math.sqrt(-Math.log(Math.min(probability, 1 - probability)));
  const size =
    tail <= 5
      ? ratio(tail - 1.6, [1.4234372777, 2.75681539, 1.3067284816, 0.17023821103], [1, 0.7370016425, 0.12021132975])
      : ratio(tail - 5, [6.657905115, 3.081226386, 0.42868294337, 0.017337203997], [1, 0.24197894225, 0.012258202635]);
  return centred < 0 ? -size : size;
};
