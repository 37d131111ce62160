/** Part of a minute's devices that may come at once, as the docs say. */
const BURST = 1 / 6;

/** How the devices of a wave were told, held against its rate. */
export interface ToldRate {
  /** Devices that had the bell too early for the rate, at the worst moment. */
  readonly tooMany: number;
  /** By how much the last of those that the rate let through was late at the worst moment, in seconds. */
  readonly lateSeconds: number;
}

/**
 * @param told when each device of the wave was told, in seconds
 * @param began when the wave did, in seconds
 */
export const toldAtRate = (told: readonly number[], began: number, perMinute: number): ToldRate => {
  const [burst, perSecond] = [Math.max(1, perMinute * BURST), perMinute / 60];
  let [tokens, before, tooMany, lateSeconds] = [burst, began, 0, 0];
  for (const [index, at] of told.toSorted((a, b) => a - b).entries()) {
    tokens = Math.min(burst, tokens + Math.max(0, at - before) * perSecond) - 1;
    before = at;
    tooMany = Math.max(tooMany, -tokens);
    lateSeconds = Math.max(lateSeconds, at - began - Math.max(0, index + 1 - burst) / perSecond);
  }
  return { tooMany, lateSeconds };
};
