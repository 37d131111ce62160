const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Seconds of `30s`, `10m`, `2h` or `1d`; undefined when it is none. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text.trim());
  const [, amount, unit] = match ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  // To the millisecond: 1.1h is 3960 s, and not 3960.0000000000005.
  return Math.round(Number(amount) * SECONDS[unit as keyof typeof SECONDS] * 1000) / 1000;
};

/** The shortest way to write so many seconds. */
export const formatDuration = (seconds: number): string => {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
};
