import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Bars, and states as they are written in capitals. */
const STYLES: readonly (readonly [RegExp, Style])[] = [
  [/█+|\b(?:PASSED|FINISHED|SUCCEEDED)\b/g, 'green'],
  [/×+|\b(?:FAILED|STOPPED|ROLLED_BACK|APPROVAL_DENIED|REJECTED|TIMED_OUT)\b/g, 'red'],
  [/▒+|\b(?:PAUSED|SOAKING|STOPPING|ROLLING_BACK|WAITING_FOR_APPROVAL)\b/g, 'yellow'],
];

/** A line of a picture in colours, for a terminal that has them; its width stays as it was. */
export const paint = (line: string): string =>
  STYLES.reduce(
    (painted, [pattern, style]) =>
      painted.replace(pattern, (part) => styleText(style, part, { validateStream: false })),
    line,
  );
