/** Whether `version` is what `wanted` says, as far as that is written: 10.3.0 is 10.3. */
export const isVersion = (version: string | undefined, wanted: string): boolean =>
  version === wanted || version?.startsWith(`${wanted}.`) === true;

const numbers = (version: string): number[] => version.split('.').map((part) => Number.parseInt(part, 10) || 0);

/** Whether `version` is `wanted` or newer, part by part; none is not. */
export const isAtLeast = (version: string | undefined, wanted: string): boolean => {
  if (version === undefined) return false;
  const [have, want] = [numbers(version), numbers(wanted)];
  for (let index = 0; index < Math.max(have.length, want.length); index += 1) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
};
