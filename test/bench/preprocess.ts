import type { Preprocessing } from '@aviary/release';
import sharp from 'sharp';
import { Preprocessor, tensorShape } from '../../apps/agent/src/inference/worker/preprocess.ts';
import { type Bench, median } from './harness.ts';

const SIDE = 640;
const WIDTH = 1280;
const HEIGHT = 720;
const ROUNDS = 41;
const FRAMES = 5;
const WARM_UP = 30;

/** As detectors take it. */
const SPEC: Preprocessing = {
  width: SIDE,
  height: SIDE,
  color: 'rgb',
  resize: 'letterbox',
  fill: 114,
  layout: 'nchw',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** A picture with as much in it as a photograph has: smooth, with edges and a little noise. */
async function photograph(): Promise<Buffer> {
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let y = 0, at = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1, at += 3) {
      const edge = (x >> 6) % 2 === (y >> 6) % 2 ? 40 : 0;
      pixels[at] = 80 + 60 * Math.sin(x / 90) + edge + Math.random() * 12;
      pixels[at + 1] = 90 + 60 * Math.cos(y / 70) + edge + Math.random() * 12;
      pixels[at + 2] = 100 + 50 * Math.sin((x + y) / 120) + edge + Math.random() * 12;
    }
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  for (let i = 0; i < FRAMES; i += 1) await work();
  return (performance.now() - from) / FRAMES;
}

const bench: Bench = {
  about: "a 720p JPEG to a detector's input tensor, over what sharp takes to decode and resize it alone",
  async run(report) {
    // As in the worker.
    sharp.concurrency(1);
    sharp.cache(false);
    const bytes = await photograph();
    const into = new Float32Array(tensorShape(SPEC).reduce((product, length) => product * length, 1));
    const preprocessor = new Preprocessor(SPEC);
    const ours = () => preprocessor.run({ kind: 'encoded', bytes }, into);
    const alone = () =>
      sharp(bytes)
        .resize({ width: SIDE, height: SIDE, fit: 'contain', background: { r: 114, g: 114, b: 114 } })
        .raw()
        .toBuffer();
    for (let i = 0; i < WARM_UP; i += 1) await Promise.all([ours(), alone()]);
    const rounds: { ours: number; alone: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push({ ours: await timed(ours), alone: await timed(alone) });
    const peer = median(rounds.map((round) => round.alone));
    report({
      figure: 'pre-processing of a frame',
      value: median(rounds.map((round) => round.ours)),
      unit: 'ms',
      versus: `sharp's own decode and resize (${peer.toFixed(2)} ms)`,
      ratio: median(rounds.map((round) => round.ours / round.alone)),
      goal: { at: 'most', ratio: 1.25 },
    });
  },
};
export default bench;
