import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { thinned } from '@aviary/release';
import { type AcceptanceReport, AcceptanceTally, judgeAcceptance } from '../acceptance.ts';
import type { Picture } from '../frame.ts';
import { LatencyReservoir } from '../latency-reservoir.ts';
import type { StressFigures } from '../stress.ts';
import type { LoadedRelease } from './loaded-release.ts';

/** Frames before the clock counts: the first ones pay for page faults, caches and the compiler. */
const WARM_UP = 8;
/** Pictures that a stress goes round and round. */
const STRESS_PICTURES = 32;

/**
 * Runs the release's suite on this device: every labelled picture once, then every golden one.
 * @param onProgress is called after each picture.
 * @throws FrameError, or the file system's error, for a picture of the suite that cannot be read: the release is broken.
 */
export async function runAcceptance(
  release: LoadedRelease,
  archiveDirectory: string,
  onProgress: () => void,
): Promise<AcceptanceReport> {
  const { samples, golden, limits } = release.manifest.acceptance;
  const tally = new AcceptanceTally();
  const read = async (file: string): Promise<Picture> => ({
    kind: 'encoded',
    bytes: await readFile(join(archiveDirectory, file)),
  });
  for (let i = 0; i < WARM_UP; i += 1) {
    const sample = samples[i % samples.length];
    if (sample !== undefined) await release.answer(await read(sample.file));
    onProgress();
  }
  for (const sample of samples) {
    tally.sample(await release.answer(await read(sample.file)), sample.label);
    onProgress();
  }
  for (const { file, model, every, output } of golden) {
    const values = await release.rawOutput(await read(file), model);
    tally.golden(every === undefined ? values : thinned(values, every), output);
    onProgress();
  }
  return judgeAcceptance(tally.figures(), limits);
}

/**
 * Answers the suite's pictures over and over, as fast as it can.
 * @param seconds for how long
 * @param onProgress is called after each picture.
 * @throws the file system's error, for a picture of the suite that cannot be read
 */
export async function runStress(
  release: LoadedRelease,
  archiveDirectory: string,
  seconds: number,
  onProgress: () => void,
): Promise<StressFigures> {
  const { samples } = release.manifest.acceptance;
  const pictures: Picture[] = [];
  // Only a few, so that what it has in memory is the model's.
  for (const { file } of samples.slice(0, STRESS_PICTURES)) {
    pictures.push({ kind: 'encoded', bytes: await readFile(join(archiveDirectory, file)) });
  }
  const latency = new LatencyReservoir();
  let failed = 0;
  let firstFailure: string | undefined;
  const end = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < end; i += 1) {
    const picture = pictures[i % pictures.length];
    if (picture === undefined) break;
    try {
      latency.add((await release.answer(picture)).ms.total);
    } catch (error) {
      failed += 1;
      firstFailure ??= error instanceof Error ? error.message : String(error);
    }
    onProgress();
  }
  const [p95Ms = 0] = latency.quantiles([0.95]);
  return { frames: latency.count, failed, p95Ms, ...(firstFailure === undefined ? {} : { firstFailure }) };
}
