import { pairInOrder, smallestHarm } from '@aviary/rollout';
import { normalQuantile } from '../../../libs/rollout/src/comparison/normal-quantile.ts';
import { testBothSides } from '../../../libs/rollout/src/comparison/two-sided-test.ts';
import { judge } from './outcomes.ts';
import { MARGIN, type RolloutCase, simulate } from './simulated-rollout.ts';

const ROLLOUTS = 2000;
const LEVEL = 0.01;
/** Pairs that a wave comes to: the smaller of wave and control group, summed over the strata. */
export const SIZES = [5, 7, 10, 20, 50, 100, 200];
export const SIGMAS = [0.05, 0.1, 0.3];
export const HARMS = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1];

/** In how many of the rollouts a release was stopped, and passed, by the time so many pairs had been looked at. */
export interface Decided {
  readonly stopped: number;
  readonly passed: number;
}

/** Decisions for each of `SIZES`, of the same rollouts: a small wave is the beginning of a larger one. */
export const decisionsBySize = (harm: number, sigma: number): Decided[] => {
  const most = Math.max(...SIZES);
  const margin = Math.log1p(MARGIN);
  const ends = [...simulate({ wave: most, control: most, harm, sigma, shape: 'normal' }, ROLLOUTS)].map((arrivals) => {
    const differences = pairInOrder(arrivals).map(({ difference }) => difference);
    const { worse, notWorse } = testBothSides(differences, margin, LEVEL, LEVEL);
    return { worse: worse.decidedAfter ?? most + 1, notWorse: notWorse.decidedAfter ?? most + 1 };
  });
  return SIZES.map((size) => ({
    stopped: ends.filter(({ worse }) => worse <= size).length / ROLLOUTS,
    passed: ends.filter(({ worse, notWorse }) => worse > size && notWorse <= size).length / ROLLOUTS,
  }));
};

const LEVELS = [0.01, 0.025, 0.05];

/** 20 devices with 20 controls, and a release that is 30 % worse. */
const exampleCase = (sigma: number): RolloutCase => ({ wave: 20, control: 20, harm: 0.3, sigma, shape: 'normal' });

/** How often +30 % is found by 20 devices with 20 controls, at levels of 0.01, 0.025 and 0.05. */
export const foundAtLevels = (sigma: number): number[] =>
  LEVELS.map((level) => judge(exampleCase(sigma), level, ROLLOUTS).stopped / ROLLOUTS);

/**
 * The same for somebody who was told everything: σ, that noise is normal, and that the release is either exactly at the
 * margin or 30 % worse. `anyTime` is Wald's sequential test, whose evidence grows fastest of all that may be looked at
 * after every pair; `once` is the most powerful test of those that are looked at a single time, after 20 pairs. Source:
 * A. Wald, "Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16(2), 1945.
 */
export const foundIfToldAll = (sigma: number): { anyTime: number[]; once: number[] } => {
  const margin = Math.log1p(MARGIN);
  const harm = Math.log1p(0.3);
  const ends = [...simulate(exampleCase(sigma), ROLLOUTS)].map((arrivals) => {
    let [logRatio, highest, sum] = [0, 0, 0];
    const pairs = pairInOrder(arrivals);
    for (const { difference } of pairs) {
      logRatio += ((harm - margin) * (difference - (harm + margin) / 2)) / sigma ** 2;
      highest = Math.max(highest, logRatio);
      sum += difference - margin;
    }
    return { highest, score: sum / (sigma * Math.sqrt(pairs.length)) };
  });
  const shareOf = (found: (end: { highest: number; score: number }) => boolean): number =>
    ends.filter(found).length / ROLLOUTS;
  return {
    anyTime: LEVELS.map((level) => shareOf(({ highest }) => highest >= -Math.log(level))),
    once: LEVELS.map((level) => shareOf(({ score }) => score >= normalQuantile(1 - level))),
  };
};

/** How often a wave of 200 is stopped, each way: comparison, threshold, Mann–Whitney. */
export const stoppedEachWay = (control: number, harm: number, sigma: number): number[] => {
  const outcomes = judge({ wave: 200, control, harm, sigma, shape: 'normal' }, LEVEL, ROLLOUTS);
  return [outcomes.stopped, outcomes.stoppedByThreshold, outcomes.stoppedByMannWhitney].map(
    (count) => count / ROLLOUTS,
  );
};

/** The smallest harm that so many pairs find in 90 %: without noise, and with each of the given. */
export const smallestHarms = (pairs: number, sigmas: readonly number[]): (number | null)[] => {
  const question = { pairs, scale: 'ratio', margin: MARGIN, level: LEVEL } as const;
  return [smallestHarm(question).floor, ...sigmas.map((sigma) => smallestHarm({ ...question, sigma }).found)];
};
