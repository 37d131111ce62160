import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Frame } from '../../apps/agent/src/inference/frame.ts';
import { writeLightRelease } from '../../apps/agent/src/inference/testing/light-release.ts';
import { convolutionModel } from '../../apps/agent/src/inference/testing/test-models.ts';
import { startWorker, type WorkerHandle } from '../../apps/agent/src/inference/worker-handle.ts';
import { type Bench, median } from './harness.ts';

const WORKER = fileURLToPath(new URL('../../apps/agent/dist/inference/worker/worker-main.js', import.meta.url));
const SIDE = 28;
const LABELS = 10;
const ROUNDS = 9;
/** Frames until V8 has compiled both ends of the pipe. */
const WARM_UP = 1000;
/** As the agent's serving does it: one frame runs, one waits in the worker's pipe. */
const IN_FLIGHT = 2;

const FRAME: Frame = {
  source: 'bench',
  picture: { kind: 'raw', width: SIDE, height: SIDE, channels: 1, bytes: new Uint8Array(SIDE * SIDE).fill(90) },
};

/** What a block of frames took, in milliseconds per frame. */
interface Block {
  /** Of the supervisor's clock, from the first question to the last answer. */
  readonly wall: number;
  /** Of the worker's clock, decoding to answer: what telemetry reports as latency. */
  readonly latency: number;
}

/** A release whose model has `depth` convolutions of 28 × 28 × 32: small weights and much arithmetic, as vision models have. */
async function writeNetwork(folder: string, depth: number): Promise<void> {
  await writeLightRelease(folder, {
    manifest: {
      labels: Array.from({ length: LABELS }, (_, i) => `digit ${i}`),
      preprocessing: {
        width: SIDE,
        height: SIDE,
        color: 'gray',
        resize: 'stretch',
        fill: 0,
        layout: 'nchw',
        scale: 1 / 255,
        mean: [0],
        std: [1],
      },
      acceptance: { limits: {}, samples: [{ file: 'acceptance/00.png', label: 'digit 0' }], golden: [] },
    },
  });
  const shape = { side: SIDE, channels: 32, depth, outputs: LABELS };
  writeFileSync(join(folder, 'model.onnx'), convolutionModel(shape, Math.random));
}

function start(folder: string, profilePrefix: string): Promise<WorkerHandle> {
  return startWorker({
    archiveDirectory: folder,
    providers: ['cpu'],
    workerPath: WORKER,
    profilePrefix,
  });
}

async function run(worker: WorkerHandle, frames: number): Promise<Block> {
  let left = frames;
  let latency = 0;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { ms } = await worker.infer(FRAME);
      latency += ms.total;
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return { wall: (performance.now() - from) / frames, latency: latency / frames };
}

/** Milliseconds of each `model_run` in ORT's own profile, in order. */
function modelRuns(folder: string, prefix: string): number[] {
  const file = readdirSync(folder).find((name) => name.startsWith(prefix));
  const events: unknown = file === undefined ? null : JSON.parse(readFileSync(join(folder, file), 'utf8'));
  if (!Array.isArray(events)) throw new Error(`expected ORT's profile as ${prefix}*.json in ${folder}`);
  return events.filter((event) => event.name === 'model_run').map((event) => Number(event.dur) / 1000);
}

/**
 * Rounds of `frames` frames each: what they took, and what ORT's profile says that the very same runs took. A worker
 * without a profile beside a profiled one would flatter: writing the profile slows `model_run` itself, so that the plain
 * worker's wall time comes out below it.
 */
async function measure(depth: number, frames: number): Promise<(Block & { modelRun: number })[]> {
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(memory, 'aviary-bench-'));
  try {
    await writeNetwork(folder, depth);
    const worker = await start(folder, join(folder, 'profile'));
    const blocks: Block[] = [];
    try {
      await run(worker, WARM_UP);
      for (let round = 0; round < ROUNDS; round += 1) blocks.push(await run(worker, frames));
    } finally {
      await worker.stop();
    }
    const runs = modelRuns(folder, 'profile').slice(-ROUNDS * frames);
    return blocks.map((block, round) => ({
      ...block,
      modelRun: mean(runs.slice(round * frames, (round + 1) * frames)),
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Depth at which this machine's `model_run` takes about `target` milliseconds; convolutions of one shape cost alike. */
async function depthFor(target: number): Promise<number> {
  const tried = 7;
  const rounds = await measure(tried, 100);
  return Math.max(1, Math.round((tried * target) / median(rounds.map((round) => round.modelRun))));
}

const bench: Bench = {
  about:
    'a raw frame through the agent (pipe, worker, pre- and post-processing, answer), over what ORT says of its own run',
  async run(report) {
    for (const { target, frames, goal } of [
      { target: 1, frames: 400, goal: 1.1 },
      { target: 5, frames: 100, goal: 1.05 },
    ]) {
      const rounds = await measure(await depthFor(target), frames);
      const versus = `ORT model_run (${median(rounds.map((round) => round.modelRun)).toFixed(2)} ms)`;
      for (const [name, of] of [
        ['wall time per frame', (block: Block) => block.wall],
        ['latency in the worker', (block: Block) => block.latency],
      ] as const) {
        report({
          figure: `${name} at ${target} ms`,
          value: median(rounds.map(of)),
          unit: 'ms',
          versus,
          ratio: median(rounds.map((round) => of(round) / round.modelRun)),
          goal: { at: 'most', ratio: goal },
        });
      }
    }
  },
};
export default bench;
