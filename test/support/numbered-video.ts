import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildMlp } from '@aviary/onnx';
import sharp from 'sharp';
import type { LocalResult } from '../../apps/agent/src/local-api/result-stream.ts';
import { runPeer } from './peer.ts';

/** A frame holds its number: in each block, from the left, a bit of it, the lowest first; bright is 1. */
const BITS = 10;
const BLOCK = 8;
const WIDTH = BITS * BLOCK;
const HEIGHT = BLOCK;

const ffmpeg = async (program: 'ffmpeg' | 'ffprobe', ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runPeer(program, ['-v', 'error', ...args], 'ffmpeg');
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return stdout.toString();
};

/** Writes a video whose frames are numbered from 0. @param frames at most 1024 @param rate frames per second */
export const writeNumberedVideo = async (file: string, frames: number, rate: number): Promise<void> => {
  const bit = `mod(floor(N/pow(2,floor(X/${BLOCK}))),2)`;
  const black = `color=black:size=${WIDTH}x${HEIGHT}:rate=${rate}`;
  const numbered = `${black},format=gray,geq=lum='if(${bit},235,20)'`;
  await ffmpeg('ffmpeg', '-f', 'lavfi', '-i', numbered, '-frames:v', `${frames}`, '-c:v', 'ffv1', file);
};

/** How many frames a video has, decoded one by one by ffprobe. */
export const countFrames = async (file: string): Promise<number> => {
  const what = ['-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0'];
  return Number(await ffmpeg('ffprobe', '-count_frames', ...what, file));
};

/** Writes a model that gives the mean brightness of each block, from 0 to 1, as a folder for `aviary model push`. */
export const writeNumberReader = async (folder: string): Promise<void> => {
  const w = new Float32Array(WIDTH * HEIGHT * BITS);
  for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel += 1) {
    const block = Math.floor((pixel % WIDTH) / BLOCK);
    w[pixel * BITS + block] = 1 / (BLOCK * HEIGHT);
  }
  await mkdir(join(folder, 'acceptance'), { recursive: true });
  await writeFile(join(folder, 'model.onnx'), buildMlp([WIDTH * HEIGHT, BITS], [{ w, b: new Float32Array(BITS) }]));
  await writeFile(
    join(folder, 'model.yaml'),
    `name: numbers
version: 1.0.0
task: raw
input: { width: ${WIDTH}, height: ${HEIGHT}, color: gray, layout: flat }
variants:
  - file: model.onnx
acceptance: { samples: acceptance, goldenTolerance: 0.001 }
`,
  );
  const gray = { width: WIDTH, height: HEIGHT, channels: 3, background: { r: 90, g: 90, b: 90 } } as const;
  await sharp({ create: gray })
    .png()
    .toFile(join(folder, 'acceptance', 'gray.png'));
  await writeFile(join(folder, 'acceptance', 'labels.csv'), 'file,label\ngray.png,\n');
};

/** Which frame an answer of that model is about. */
export const numberIn = ({ outputs = [] }: LocalResult): number => {
  const [output] = outputs;
  if (output?.values.length !== BITS) throw new Error(`expected ${BITS} values, got ${JSON.stringify(outputs)}`);
  return output.values.reduce((number, brightness, bit) => number + (brightness > 0.5 ? 2 ** bit : 0), 0);
};
