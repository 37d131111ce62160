import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type Decided,
  decisionsBySize,
  foundAtLevels,
  foundIfToldAll,
  HARMS,
  SIGMAS,
  SIZES,
  smallestHarms,
  stoppedEachWay,
} from './power.ts';
import { type PowerPanel, powerPlot } from './power-plot.ts';
import { MARGIN } from './simulated-rollout.ts';

/** Where the figures of the comparison stand written down. */
export const COMPARISON_FILE = fileURLToPath(new URL('../../../docs/comparison.md', import.meta.url));
export const PLOT_FILE = fileURLToPath(new URL('../../../docs/images/comparison-power.svg', import.meta.url));

const PLOTTED = [10, 20, 50, 200];

const share = (value: number): string => {
  if (value > 0 && value < 0.005) return '<1';
  if (value < 1 && value >= 0.995) return '>99';
  return String(Math.round(value * 100));
};
const effect = (value: number | null): string =>
  value === null ? 'none' : `+${Math.ceil(value * 1000 - 1e-6) / 10} %`;
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly string[]): string =>
  [row(head), row(head.map(() => '---')), ...rows].join('\n');

export const harmName = (harm: number): string => (harm === 0 ? 'as before' : `+${Math.round(harm * 100)} %`);

/** A line of the power table: stopped and passed by each of the sizes. */
export const powerRow = (harm: number, sigma: number, decisions: readonly Decided[]): string =>
  row([`${sigma}`, harmName(harm), ...decisions.map(({ stopped, passed }) => `${share(stopped)} / ${share(passed)}`)]);

const powerTable = (): string =>
  table(
    ['σ of a pair', 'release', ...SIZES.map((size) => `${size} pairs`)],
    SIGMAS.flatMap((sigma) => HARMS.map((harm) => powerRow(harm, sigma, decisionsBySize(harm, sigma)))),
  );

/** The plot of a power table, as it is written: what is seen is what is told. */
export const plotOf = (text: string): string => {
  const lines = text.split('\n').map((line) => line.slice(2, -2).split(' | '));
  const stoppedAt = (sigma: number, harm: number, pairs: number): number => {
    const cells = lines.find(([first, second]) => first === `${sigma}` && second === harmName(harm));
    const stopped = cells?.[2 + SIZES.indexOf(pairs)]?.split(' / ')[0];
    if (stopped === undefined)
      throw new Error(`expected a line for σ ${sigma} and ${harmName(harm)} in the power table`);
    return stopped.startsWith('<') ? 0 : Number(stopped.replace('>99', '100')) / 100;
  };
  const panels: PowerPanel[] = SIGMAS.map((sigma) => ({
    sigma,
    curves: PLOTTED.map((pairs) => ({
      pairs,
      points: HARMS.map((harm) => ({ harm, stopped: stoppedAt(sigma, harm, pairs) })),
    })),
  }));
  return powerPlot(panels);
};

export const smallestHarmTable = (): string => {
  const sigmas = [0.05, 0.1, 0.2, 0.3];
  return table(
    ['pairs', 'without noise', ...sigmas.map((sigma) => `σ ${sigma}`)],
    [5, 7, 10, 15, 20, 30, 50, 100, 200].map((pairs) => row([`${pairs}`, ...smallestHarms(pairs, sigmas).map(effect)])),
  );
};

export const readingsTable = (): string => {
  const percents = (values: readonly number[]): string[] => values.map((value) => `${share(value)} %`);
  const lines = [
    { whose: 'a pair', sigma: 0.1 },
    { whose: 'each device', sigma: 0.1 * Math.SQRT2 },
  ].flatMap(({ whose, sigma }) => {
    const told = foundIfToldAll(sigma);
    return [
      row([whose, sigma.toFixed(3), 'this comparison', ...percents(foundAtLevels(sigma))]),
      row([whose, sigma.toFixed(3), 'told everything', ...percents(told.anyTime)]),
      row([whose, sigma.toFixed(3), 'told everything, looked at once', ...percents(told.once)]),
    ];
  });
  return table(['σ 0.1 is that of', 'σ of a pair', 'test', 'level 0.01', 'level 0.025', 'level 0.05'], lines);
};

/** A line of the table of all three ways. */
export const waysRow = (control: number, sigma: number): string =>
  row([
    `${control}`,
    `${sigma}`,
    ...stoppedEachWay(control, 0, sigma).map((value) => `${share(value)} %`),
    ...stoppedEachWay(control, MARGIN, sigma).map((value) => `${share(value)} %`),
  ]);

const waysTable = (): string =>
  table(
    [
      'controls',
      'σ of a pair',
      ...['harmless', 'at the margin'].flatMap((release) =>
        ['comparison', 'threshold', 'Mann–Whitney'].map((way) => `${release}: ${way}`),
      ),
    ],
    [5, 20, 200].flatMap((control) => SIGMAS.map((sigma) => waysRow(control, sigma))),
  );

const begin = (name: string): string => `<!-- ${name}: written by test/bench/gates/write-docs.ts -->`;
const END = '<!-- end -->';

/** A written part of the document. @throws when it has no such part */
export const partOf = (text: string, name: string): string => {
  const from = text.indexOf(begin(name));
  const to = text.indexOf(END, from);
  if (from < 0 || to < 0) throw new Error(`expected "${begin(name)}" and "${END}" in docs/comparison.md`);
  return text.slice(from + begin(name).length, to).trim();
};

const withPart = (text: string, name: string, part: string): string =>
  text.replace(`${begin(name)}\n${partOf(text, name)}`, () => `${begin(name)}\n${part}`);

if (import.meta.main) {
  const parts = { smallest: smallestHarmTable(), power: powerTable(), readings: readingsTable(), ways: waysTable() };
  const text = Object.entries(parts).reduce(
    (whole, [name, part]) => withPart(whole, name, part),
    readFileSync(COMPARISON_FILE, 'utf8'),
  );
  writeFileSync(COMPARISON_FILE, text);
  writeFileSync(PLOT_FILE, plotOf(parts.power));
  console.log(`${COMPARISON_FILE} and ${PLOT_FILE} written`);
}
