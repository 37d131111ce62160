import { fewestPairs } from '../../libs/rollout/src/comparison/betting-test.ts';
import { binomialLimit } from './gates/binomial.ts';
import { judge, type Outcomes } from './gates/outcomes.ts';
import { MARGIN, type RolloutCase } from './gates/simulated-rollout.ts';
import type { Bench } from './harness.ts';

const ROLLOUTS = 2000;
const LEVEL = 0.01;
/** Smaller waves are looked at on the way: whoever is stopped after 20 devices is stopped. */
const WAVE = 200;
const CONTROLS = [3, 5, 20, 200];
const SIGMAS = [0.05, 0.1, 0.3];
/** So seldom would any cell of a figure exceed what is allowed if all were exactly at their level. */
const BY_CHANCE = 0.001;
const FOUND = 0.9;

/** How devices scatter: σ as that of a pair, and, larger, as that of each of its two devices. */
const SCATTERS = [
  { shape: 'normal', wider: 1 },
  { shape: 'normal', wider: Math.SQRT2 },
  { shape: 'heavy', wider: Math.SQRT2 },
  { shape: 'skewed', wider: Math.SQRT2 },
] as const;

interface Cell {
  readonly rollout: RolloutCase;
  readonly outcomes: Outcomes;
}

const cellsOf = (harm: number): Cell[] =>
  CONTROLS.flatMap((control) =>
    SIGMAS.flatMap((sigma) =>
      SCATTERS.map(({ shape, wider }) => {
        const rollout = { wave: WAVE, control, harm, sigma: sigma * wider, shape };
        return { rollout, outcomes: judge(rollout, LEVEL, ROLLOUTS) };
      }),
    ),
  );

type Count = Exclude<keyof Outcomes, 'rollouts'>;

const worst = (cells: readonly Cell[], count: Count): Cell =>
  cells.reduce((most, cell) => (cell.outcomes[count] > most.outcomes[count] ? cell : most));

const shareOf = (cells: readonly Cell[], count: Count): number =>
  cells.reduce((sum, { outcomes }) => sum + outcomes[count], 0) /
  cells.reduce((n, { outcomes }) => n + outcomes.rollouts, 0);

const percent = (share: number): string => `${Number((share * 100).toPrecision(2))} %`;

const inWords = ({ rollout: { control, sigma, shape } }: Cell): string =>
  `${control} controls, σ ${sigma.toFixed(3)} of a pair, ${shape} noise`;

const bench: Bench = {
  about: `${ROLLOUTS} simulated rollouts a cell, looked at after every report: how often the comparison with the control group stops, passes and cannot tell; a fixed threshold and a repeated Mann–Whitney test on the same reports`,
  async run(report) {
    const harmless = cellsOf(0);
    const atMargin = cellsOf(MARGIN);
    const harmful = cellsOf(0.3);
    const reportWorst = (figure: string, cells: readonly Cell[], count: Count): void => {
      const cell = worst(cells, count);
      const value = cell.outcomes[count] / ROLLOUTS;
      const allowed = binomialLimit(ROLLOUTS, LEVEL, BY_CHANCE / cells.length) / ROLLOUTS;
      report({
        figure,
        value,
        unit: 'share',
        versus: `level ${LEVEL}, with simulation noise ${percent(allowed)} of ${ROLLOUTS} (exact binomial; one of ${1 / BY_CHANCE} benches would exceed it); worst of ${cells.length} cells: ${inWords(cell)}`,
        ratio: value / allowed,
        goal: { at: 'most', ratio: 1 },
      });
    };
    for (const [name, cells] of [
      ['harmless', harmless],
      ['exactly at the margin', atMargin],
    ] as const) {
      reportWorst(`releases that are ${name}, stopped`, cells, 'stopped');
      const deciding = cells.filter(({ rollout }) => rollout.control >= fewestPairs(LEVEL));
      const value = shareOf(deciding, 'stopped');
      const threshold = percent(shareOf(deciding, 'stoppedByThreshold'));
      const mannWhitney = percent(shareOf(deciding, 'stoppedByMannWhitney'));
      report({
        figure: `releases that are ${name}, stopped, of all cells with enough pairs to decide`,
        value,
        unit: 'share',
        versus: `level ${LEVEL} as it is; fixed threshold ${threshold}, repeated Mann–Whitney ${mannWhitney}`,
        ratio: value / LEVEL,
        goal: { at: 'most', ratio: 1 },
      });
    }
    reportWorst('releases exactly at the margin, said to be not worse', atMargin, 'passed');
    reportWorst('releases that are 30 % worse, said to be not worse', harmful, 'passed');
    reportWorst('lower bounds above the truth', [...harmless, ...atMargin, ...harmful], 'lowerWrong');
    reportWorst('upper bounds under the truth', [...harmless, ...atMargin, ...harmful], 'upperWrong');

    const few = [harmless, atMargin, harmful].flat().filter(({ rollout }) => rollout.control < fewestPairs(LEVEL));
    const said = shareOf(few, 'saidThatItCannotTell');
    report({
      figure: 'waves with too few pairs to decide that say so, and neither stop nor pass',
      value: said,
      unit: 'share',
      versus: `all ${few.length * ROLLOUTS} rollouts with control groups of 3 and 5; a fixed threshold stopped ${percent(shareOf(few, 'stoppedByThreshold'))} of them`,
      ratio: said,
      goal: { at: 'least', ratio: 1 },
    });

    const reportFound = (figure: string, sigma: number, level: number): void => {
      const rollout: RolloutCase = { wave: 20, control: 20, harm: 0.3, sigma, shape: 'normal' };
      const value = judge(rollout, level, ROLLOUTS).stopped / ROLLOUTS;
      const versus = `the ${FOUND} asked for, at a level of ${level}`;
      report({ figure, value, unit: 'share', versus, ratio: value / FOUND, goal: { at: 'least', ratio: 1 } });
    };
    reportFound('+30 % found by 20 devices with 20 controls, σ of a pair 0.1', 0.1, LEVEL);
    reportFound('+30 % found by 20 devices with 20 controls, σ of each device 0.1', 0.1 * Math.SQRT2, 0.05);
  },
};
export default bench;
