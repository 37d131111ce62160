/** Exit codes of `--watch`, after Argo Rollouts and timeout(1). */
export const EXIT = { done: 0, failed: 1, paused: 3, timedOut: 124 } as const;

/** Where the picture goes: a terminal, which is redrawn, or anything else, which gets each line once. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

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
      if (drawn.length > 0) screen.write(`\u001b[${drawn.length}A\u001b[J`);
      // A line that wrapped would take two rows, and the next redraw would begin too low.
      screen.write(`${lines.map((line) => line.slice(0, screen.columns)).join('\n')}\n`);
    } else {
      for (const line of lines.filter((candidate) => !drawn.includes(candidate))) screen.write(`${line}\n`);
    }
    drawn = lines;
    const code = exitCodeOf(thing);
    if (code !== undefined) return code;
  }
  return EXIT.timedOut;
};
