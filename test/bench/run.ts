import { readdirSync } from 'node:fs';
import { type Bench, type Figure, meets } from './harness.ts';

/** Files here that are no bench. */
const OWN = new Set(['run.ts', 'harness.ts']);

const names = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !OWN.has(entry.name))
  .map((entry) => entry.name.slice(0, -'.ts'.length))
  .sort();

/** Four digits say all that a noisy machine can. */
const rounded = (value: number): number => Number(value.toPrecision(4));

const runBench = async (name: string): Promise<boolean> => {
  const { default: bench } = (await import(`./${name}.ts`)) as { default: Bench };
  process.stderr.write(`${name}: ${bench.about}\n`);
  let allMet = true;
  await bench.run((figure: Figure) => {
    const ok = meets(figure);
    allMet &&= ok;
    const goal = `${figure.goal.at === 'least' ? '≥' : '≤'} ${figure.goal.ratio}`;
    const numbers = { value: rounded(figure.value), ratio: rounded(figure.ratio) };
    process.stdout.write(`${JSON.stringify({ bench: name, ...figure, ...numbers, goal, ok })}\n`);
  });
  return allMet;
};

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || !names.includes(name) || rest.length > 0) {
  const got = name === undefined ? 'none' : `"${[name, ...rest].join(' ')}"`;
  process.stderr.write(`Expected the name of one bench, got ${got}.\n  npm run bench -- ${names.join(' | ')}\n`);
  process.exit(2);
}
process.exitCode = (await runBench(name)) ? 0 : 1;
