import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { type Bench, type Figure, meets } from './harness.ts';

/** Files here that are no bench. */
const OWN = new Set(['run.ts', 'run.test.ts', 'harness.ts']);

const names = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !OWN.has(entry.name))
  .map((entry) => entry.name.slice(0, -'.ts'.length))
  .sort();

/** Four digits say all that a noisy machine can. */
const rounded = (value: number): number => Number(value.toPrecision(4));

const load = async (name: string): Promise<Bench> => {
  const { default: bench } = (await import(`./${name}.ts`)) as { default: Bench };
  return bench;
};

// As in the agent: what ONNX Runtime tells its makers is no part of a measurement.
process.env.ORT_DISABLE_TELEMETRY = '1';

const runBench = async (name: string): Promise<boolean> => {
  const bench = await load(name);
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

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !names.includes(name));
const [first] = wanted;
if (first === undefined || unknown !== undefined) {
  const got = unknown === undefined ? 'none' : `"${unknown}"`;
  const benches = await Promise.all(names.map(async (one) => `  ${one}: ${(await load(one)).about}\n`));
  process.stderr.write(`Expected names of benches after npm run bench --, got ${got}.\n${benches.join('')}`);
  process.exit(2);
}
// By force: where a bench had a database, its package ends the process with 0.
if (wanted.length === 1) process.exit((await runBench(first)) ? 0 : 1);
// Each in a process of its own: what one leaves in memory is no part of the next.
const alone = (name: string) =>
  spawnSync(process.execPath, [...process.execArgv, import.meta.filename, name], { stdio: 'inherit' }).status;
process.exit(wanted.map(alone).every((status) => status === 0) ? 0 : 1);
