import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildMlp } from '@aviary/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Frame } from '../../apps/agent/src/inference/frame.ts';
import { grayInput } from '../../apps/agent/src/inference/testing/light-manifest.ts';
import { writeLightRelease } from '../../apps/agent/src/inference/testing/light-release.ts';
import { convolutionModel } from '../../apps/agent/src/inference/testing/test-models.ts';
import { runAtOnce } from '../../apps/agent/src/inference/worker/run-at-once.ts';
import { startWorker, type WorkerHandle } from '../../apps/agent/src/inference/worker-handle.ts';
import { type Bench, median } from './harness.ts';

const WORKER = fileURLToPath(new URL('../../apps/agent/dist/inference/worker/worker-main.js', import.meta.url));
const SIDE = 28;
const LABELS = 10;
/** Few, so that a layer more is a small step on the way to a millisecond. */
const CHANNELS = 16;
const ROUNDS = 21;
/** Frames until V8 has compiled both ends of the pipe. */
const WARM_UP = 1000;
const BARE_RUNS = 200;
/** As the agent's serving does it: one frame runs, one waits in the worker's pipe. */
const IN_FLIGHT = 2;

/** A model of one multiplication. */
const NOTHING = buildMlp([1, 1], [{ w: Float32Array.of(1), b: Float32Array.of(0) }]);

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
  /** Of the worker's clock, around `session.run` alone. */
  readonly run: number;
}

/** Convolutions of 28 × 28: small weights and much arithmetic, as vision models have. */
function networkOf(depth: number): Buffer {
  return convolutionModel({ side: SIDE, outputs: LABELS, channels: CHANNELS, depth }, Math.random);
}

async function writeRelease(folder: string, model: Buffer): Promise<void> {
  await writeLightRelease(folder, {
    manifest: {
      labels: Array.from({ length: LABELS }, (_, i) => `digit ${i}`),
      preprocessing: grayInput(SIDE, SIDE),
      acceptance: { limits: {}, samples: [{ file: 'acceptance/00.png', label: 'digit 0' }], golden: [] },
    },
    model,
  });
}

async function run(worker: WorkerHandle, frames: number): Promise<Block> {
  let left = frames;
  let latency = 0;
  let running = 0;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { ms } = await worker.infer(FRAME);
      latency += ms.total;
      running += ms.run;
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return { wall: (performance.now() - from) / frames, latency: latency / frames, run: running / frames };
}

/** What a call of `session.run` takes for itself, in a bare loop. @returns milliseconds, the median of some rounds */
async function timeCalls(): Promise<number> {
  const session = await InferenceSession.create(NOTHING, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = new Tensor('float32', [1], [1, 1]);
  const feeds = { [session.inputNames[0] ?? '']: input };
  for (let i = 0; i < WARM_UP; i += 1) await runAtOnce(session, feeds, session.outputNames);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = performance.now();
    for (let i = 0; i < BARE_RUNS; i += 1) await runAtOnce(session, feeds, session.outputNames);
    rounds.push((performance.now() - from) / BARE_RUNS);
  }
  await session.release();
  return median(rounds);
}

/** Depth at which the model's own run takes about `target` milliseconds on this machine; convolutions of one shape cost alike. */
async function depthFor(target: number, call: number): Promise<number> {
  const tried = 20;
  const blocks = await measure(tried, BARE_RUNS);
  return Math.max(1, Math.round((tried * target) / median(blocks.map(({ run: ms }) => ms - call))));
}

async function measure(depth: number, frames: number): Promise<Block[]> {
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(memory, 'aviary-bench-'));
  try {
    await writeRelease(folder, networkOf(depth));
    const worker = await startWorker({ archiveDirectory: folder, providers: ['cpu'], workerPath: WORKER });
    const blocks: Block[] = [];
    try {
      await run(worker, WARM_UP);
      for (let round = 0; round < ROUNDS; round += 1) blocks.push(await run(worker, frames));
    } finally {
      await worker.stop();
    }
    return blocks;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The model's own run is `session.run` in the very session that answers, less what such a call takes for a model of
 * one multiplication. Not the `model_run` of ORT's profile: each node that a profile writes down costs about 10 µs within that
 * figure (7 convolutions: 766 µs, 563 µs without a profile), and a ratio to it would flatter. Nor a session beside it: two
 * of the same model differ by up to a tenth, by where their memory lies.
 *
 * A machine that is shared changes its pace, so that a model which took a millisecond a minute ago takes less or more. What
 * comes on top of it is therefore set against the millisecond that the goal speaks of.
 */
const bench: Bench = {
  about:
    'a raw frame through the agent (pipe, worker, pre- and post-processing, answer), over what the model itself takes',
  async run(report) {
    const call = await timeCalls();
    for (const { target, frames, goal } of [
      { target: 1, frames: 400, goal: 1.1 },
      { target: 5, frames: 100, goal: 1.05 },
    ]) {
      const rounds = await measure(await depthFor(target, call), frames);
      const modelRun = median(rounds.map((block) => block.run - call));
      const versus = `the model's own run (${modelRun.toFixed(2)} ms: session.run less ${(call * 1000).toFixed(0)} µs for the call)`;
      for (const [name, of] of [
        ['wall time per frame', (block: Block) => block.wall],
        ['latency in the worker', (block: Block) => block.latency],
      ] as const) {
        report({
          figure: `${name} at ${target} ms`,
          value: median(rounds.map(of)),
          unit: 'ms',
          versus,
          ratio: median(rounds.map((block) => 1 + (of(block) - (block.run - call)) / target)),
          goal: { at: 'most', ratio: goal },
        });
      }
    }
  },
};
export default bench;
