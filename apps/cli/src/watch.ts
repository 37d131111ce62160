import { fold } from './render/fold.ts';
import { paint } from './render/paint.ts';

/** Exit codes of `--watch`, after Argo Rollouts and timeout(1). */
export const EXIT = { done: 0, failed: 1, paused: 3, timedOut: 124 } as const;

/** Where the picture goes: a terminal, which is redrawn, or anything else, which gets each line once. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** Whether it shows colours, and nobody has said NO_COLOR. */
  hasColors?(): boolean;
  write(text: string): unknown;
}

/** What fits the terminal: a line that wrapped, or one that scrolled away, would let the next redraw begin at a wrong place. */
const fit = (lines: readonly string[], { columns, rows }: Screen): string[] => {
  const folded = columns === undefined || columns < 2 ? [...lines] : lines.flatMap((line) => fold(line, columns));
  if (rows === undefined || rows < 3 || folded.length < rows) return folded;
  const shown = folded.slice(0, rows - 2);
  return [...shown, `… ${folded.length - shown.length} more lines`.slice(0, columns)];
};

/**
 * Shows something until it ends.
 * @param looks at it, one after the other
 * @param pictureOf a look, as lines
 * @param exitCodeOf a look; undefined while it goes on
 * @returns the exit code
 */
export const watch = async <Thing>(
  looks: AsyncIterable<Thing>,
  pictureOf: (thing: Thing) => readonly string[],
  exitCodeOf: (thing: Thing) => number | undefined,
  screen: Screen,
): Promise<number> => {
  let drawn: readonly string[] = [];
  for await (const thing of looks) {
    const lines = pictureOf(thing);
    if (screen.isTTY === true) {
      const fitting = fit(lines, screen);
      if (drawn.length > 0) screen.write(`\u001b[${drawn.length}A\u001b[J`);
      screen.write(`${fitting.map(screen.hasColors?.() === true ? paint : (line) => line).join('\n')}\n`);
      drawn = fitting;
    } else {
      for (const line of lines.filter((candidate) => !drawn.includes(candidate))) screen.write(`${line}\n`);
      drawn = lines;
    }
    const code = exitCodeOf(thing);
    if (code !== undefined) return code;
  }
  return EXIT.timedOut;
};
