import type { GateEvaluation } from '../../api/generated/index.ts';

type Values = readonly (number | null)[];

/** What one comparison of one wave has found, look by look. */
export interface ComparisonSeries {
  readonly key: string;
  readonly wave: number;
  readonly gate: string;
  /** The newest look. */
  readonly newest: GateEvaluation;
  /** Milliseconds since 1970, rising. */
  readonly times: readonly number[];
  /** Effects in per cent, as the margin is; null where nothing is known. */
  readonly estimate: Values;
  readonly lower: Values;
  readonly upper: Values;
  readonly margin: Values;
  /** E-values in per cent of what decides: at 100 it is decided. */
  readonly worse: Values;
  readonly notWorse: Values;
}

/** Per cent of the evidence at which a comparison is decided. */
export const DECIDED = 100;

const percent = (value: number | null): number | null => (value === null ? null : value * 100);

const seriesOf = (key: string, looks: readonly GateEvaluation[], newest: GateEvaluation): ComparisonSeries => {
  const evidence = (name: 'eWorse' | 'eNotWorse') =>
    looks.map(({ comparison }) =>
      comparison === null ? null : Math.min(DECIDED, (comparison[name] / comparison.eDecides) * DECIDED),
    );
  return {
    key,
    wave: newest.wave,
    gate: newest.gate,
    newest,
    times: looks.map(({ at }) => at),
    estimate: looks.map(({ estimate }) => percent(estimate)),
    lower: looks.map(({ comparison }) => percent(comparison?.lower ?? null)),
    upper: looks.map(({ comparison }) => percent(comparison?.upper ?? null)),
    margin: looks.map(({ bound }) => percent(bound)),
    worse: evidence('eWorse'),
    notWorse: evidence('eNotWorse'),
  };
};

/** The comparisons with the control group, newest wave first. Looks before the first pair say nothing yet. */
export const comparisonSeries = (evaluations: readonly GateEvaluation[]): ComparisonSeries[] => {
  const groups = new Map<string, GateEvaluation[]>();
  for (const evaluation of evaluations) {
    if (evaluation.comparison === null || evaluation.estimate === null) continue;
    const key = `${evaluation.wave} ${evaluation.gate}`;
    groups.set(key, [...(groups.get(key) ?? []), evaluation]);
  }
  return [...groups]
    .flatMap(([key, looks]) => {
      const newest = looks.at(-1);
      return newest === undefined ? [] : [seriesOf(key, looks, newest)];
    })
    .sort((a, b) => b.wave - a.wave || (a.gate < b.gate ? -1 : 1));
};
