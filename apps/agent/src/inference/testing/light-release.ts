import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AcceptanceLimits, ReleaseManifest } from '@aviary/release';
import sharp from 'sharp';
import type { WorkerOptions } from '../worker-process.ts';
import { LIGHT_MANIFEST } from './light-manifest.ts';
import { denseModel } from './test-models.ts';

/** How a child is started from its TypeScript source, with the libraries' sources. */
const FROM_SOURCE = ['--conditions=aviary-source'];
export const workerFromSource: Pick<WorkerOptions, 'workerPath' | 'execArgv'> = {
  workerPath: fileURLToPath(new URL('../worker/worker-main.ts', import.meta.url)),
  execArgv: FROM_SOURCE,
};
export const captureFromSource = {
  capturePath: fileURLToPath(new URL('../capture/capture-main.ts', import.meta.url)),
  execArgv: FROM_SOURCE,
};

/** Temporary folders of one test file. */
export class TemporaryFolders {
  readonly #made: string[] = [];

  make(): string {
    const folder = mkdtempSync(join(tmpdir(), 'aviary-inference-'));
    this.#made.push(folder);
    return folder;
  }

  remove(): void {
    for (const folder of this.#made) rmSync(folder, { recursive: true, force: true });
  }
}

/** A PNG of 2 × 2 pixels of one gray. */
export function grayPng(gray: number): Promise<Buffer> {
  return sharp(Buffer.alloc(4, gray), { raw: { width: 2, height: 2, channels: 1 } })
    .png()
    .toBuffer();
}

/** What the model has learnt: a row for each pixel, a column for each label. */
export const LIGHT_LAYER = { weights: Array.from({ length: 4 }, () => [-4, 4] as const), bias: [8, -8] } as const;

/**
 * Writes an opened variant whose model says `light` or `dark`: with m the mean brightness from 0 to 1, its scores are
 * dark = 8 − 16·m and light = 16·m − 8, so the confidence at m = 0.5 is exactly a half.
 */
export async function writeLightRelease(
  folder: string,
  change: {
    readonly limits?: AcceptanceLimits;
    readonly manifest?: Partial<ReleaseManifest>;
    /** An ONNX file to stand in the place of that model. */
    readonly model?: Uint8Array;
    /** Truths and grays of the acceptance samples; by default three that are answered rightly and surely. */
    readonly samples?: readonly (readonly [label: 'dark' | 'light', gray: number])[];
    /** Golden outputs of the first samples. */
    readonly golden?: readonly number[][];
  } = {},
): Promise<string> {
  const samples = change.samples ?? [
    ['dark', 0],
    ['light', 255],
    ['dark', 51],
  ];
  mkdirSync(join(folder, 'acceptance'), { recursive: true });
  const files: string[] = [];
  for (const [, gray] of samples) {
    const file = `acceptance/${String(files.length).padStart(2, '0')}.png`;
    writeFileSync(join(folder, file), await grayPng(gray));
    files.push(file);
  }
  const manifest: ReleaseManifest = {
    ...LIGHT_MANIFEST,
    acceptance: {
      limits: change.limits ?? {},
      samples: samples.map(([label], i) => ({ file: files[i] ?? '', label })),
      golden: (change.golden ?? []).map((output, i) => ({ file: files[i] ?? '', output })),
    },
    ...change.manifest,
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'model.onnx'), change.model ?? lightModel());
  return folder;
}

function lightModel(): Buffer {
  const weights = Float32Array.from(LIGHT_LAYER.weights.flat());
  return denseModel([1, 4], [{ rows: 4, columns: 2, weights, bias: Float32Array.from(LIGHT_LAYER.bias) }]);
}
