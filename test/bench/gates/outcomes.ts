import { compareWithControl, pairInOrder } from '@aviary/rollout';
import { mannWhitneyStops, thresholdStops } from './common-ways.ts';
import { MARGIN, type RolloutCase, simulate } from './simulated-rollout.ts';

/** In how many of the rollouts of a case each thing happened, at any of the looks after every report. */
export interface Outcomes {
  readonly rollouts: number;
  readonly stopped: number;
  readonly passed: number;
  /** The verdict is "cannot tell", and its sentence says how many pairs are missing and that they cannot come. */
  readonly saidThatItCannotTell: number;
  /** The bound on the one side or on the other did not hold. */
  readonly lowerWrong: number;
  readonly upperWrong: number;
  readonly stoppedByThreshold: number;
  readonly stoppedByMannWhitney: number;
}

const SAID = /^cannot tell: .*; at least \d+ more pairs? (is|are) needed, and (no more|at most \d+) can come$/;

/** Judges a case in all three ways on the same reports. */
export const judge = (rollout: RolloutCase, level: number, rollouts: number): Outcomes => {
  const counts = {
    stopped: 0,
    passed: 0,
    saidThatItCannotTell: 0,
    lowerWrong: 0,
    upperWrong: 0,
    stoppedByThreshold: 0,
    stoppedByMannWhitney: 0,
  };
  const margin = Math.log1p(MARGIN);
  const plannedPairs = Math.min(rollout.wave, rollout.control);
  for (const arrivals of simulate(rollout, rollouts)) {
    const differences = pairInOrder(arrivals).map(({ difference }) => difference);
    const question = { metric: 'p95', scale: 'ratio', margin: MARGIN, level, plannedPairs } as const;
    // Once, on all pairs: a stop after any of them is the same stop in the end.
    const result = compareWithControl(differences, question);
    if (result.verdict === 'worse') counts.stopped += 1;
    if (result.verdict === 'not-worse') counts.passed += 1;
    if (result.verdict === 'cannot-tell' && SAID.test(result.words)) counts.saidThatItCannotTell += 1;
    if (result.lower !== null && result.lower > rollout.harm + 1e-9) counts.lowerWrong += 1;
    if (result.upper !== null && result.upper < rollout.harm - 1e-9) counts.upperWrong += 1;
    if (thresholdStops(arrivals, margin)) counts.stoppedByThreshold += 1;
    if (mannWhitneyStops(arrivals, margin, level)) counts.stoppedByMannWhitney += 1;
  }
  return { rollouts, ...counts };
};
