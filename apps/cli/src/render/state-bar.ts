/** How many of something went well, went wrong, and are under way; the rest of `total` is still to come. */
export interface StateCounts {
  readonly good: number;
  readonly bad: number;
  readonly moving: number;
  readonly total: number;
}

/** A bar of `width` cells, each a share of the total. */
export const stateBar = ({ good, bad, moving, total }: StateCounts, width: number): string => {
  const cells = (count: number) => (total === 0 ? 0 : Math.round((count / total) * width));
  const done = cells(good);
  const lost = cells(bad);
  const under = Math.min(cells(moving), width - done - lost);
  return ('█'.repeat(done) + '×'.repeat(lost) + '▒'.repeat(Math.max(0, under))).padEnd(width, '·').slice(0, width);
};
