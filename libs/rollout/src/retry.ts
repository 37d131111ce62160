const FIRST_S = 60;
const LONGEST_S = 3_600;

/**
 * How long a device waits after a failed try before it is told again: 1m, 2m, 4m, at most 1h. Devices that failed at one
 * moment, of a mirror that was down for instance, come back spread over half of that time again.
 * @param failed tries so far, at least 1
 * @param spread 0 to 1, of the device
 * @returns seconds
 */
export const retryAfter = (failed: number, spread: number): number => {
  const wait = Math.min(LONGEST_S, FIRST_S * 2 ** (failed - 1));
  return wait + (wait / 2) * spread;
};
