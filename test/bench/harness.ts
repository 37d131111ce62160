/** One figure of a bench: what was measured, as a ratio against a peer or a limit of the same run. */
export interface Figure {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** What `ratio` compares with. */
  readonly versus: string;
  readonly ratio: number;
  /** What the ratio must reach, e.g. `≥ 0.75` or `≤ 1.1`. */
  readonly goal: Goal;
}

export interface Goal {
  readonly at: 'least' | 'most';
  readonly ratio: number;
}

/** A bench is a file here with this as its default export, under the name of the file. */
export interface Bench {
  /** What a reader has to know of how it is measured, one sentence. */
  readonly about: string;
  /** Measures, and hands over each figure as it is known. @throws when a peer is missing, saying how to install it */
  run(report: (figure: Figure) => void): Promise<void>;
}

export const meets = ({ ratio, goal }: Figure): boolean =>
  goal.at === 'least' ? ratio >= goal.ratio : ratio <= goal.ratio;

/** Of an odd number of rounds, the middle one: a neighbour's burst of work moves it little. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
