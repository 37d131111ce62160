import { describe, expect, it } from 'vitest';
import { LIGHT_VARIANT } from '../inference/testing/light-manifest.ts';
import { writeLightRelease } from '../inference/testing/light-release.ts';
import type { Candidate } from '../state/journal.ts';
import { assignedRelease, heldRelease } from '../testing/releases.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { MemoryPreflight } from '../update/memory-preflight.ts';
import { refusalOf } from './profile-check.ts';

const makeFolder = temporaryFolders();
const MEGABYTE = 2 ** 20;

const servesFrom = async (variant = LIGHT_VARIANT) => ({
  release: heldRelease('light'),
  worker: { pid: process.pid },
  folder: await writeLightRelease(await makeFolder(), { manifest: { variant } }),
});
const candidate = (stage: Candidate['stage']): Candidate => ({
  release: assignedRelease('dark', 'e1'),
  stage,
  probationStarts: 1,
  allowedUntil: 0,
});
/** A board with so much free, on which what serves takes 200 MB. */
const memory = (freeMB: number) =>
  new MemoryPreflight(
    () => freeMB * MEGABYTE,
    () => 200 * MEGABYTE,
  );

describe('a profile', () => {
  it('is made of what serves, also while an update is on its way', async () => {
    for (const one of [null, candidate('assigned'), candidate('fetched')]) {
      expect(await refusalOf(await servesFrom(), { candidate: one }, memory(1_000))).toBeUndefined();
    }
  });

  it('is not made of what is on probation, which it would slow', async () => {
    expect(await refusalOf(await servesFrom(), { candidate: candidate('probation') }, memory(1_000))).toMatchObject({
      code: 'on-probation',
    });
  });

  it('is not made of what ONNX Runtime does not run', async () => {
    const serves = await servesFrom({ ...LIGHT_VARIANT, runtime: 'hailort', format: 'hef' });
    expect(await refusalOf(serves, { candidate: null }, memory(1_000))).toMatchObject({
      code: 'runtime-without-profile',
      message: expect.stringContaining('light@1.0.0 runs on hailort'),
    });
  });

  it('is not made where the release does not fit twice, and says how much is missing', async () => {
    // 200 MB of the worker, 128 of the trace, and 64 that the board keeps.
    expect(await refusalOf(await servesFrom(), { candidate: null }, memory(392))).toBeUndefined();
    expect(await refusalOf(await servesFrom(), { candidate: null }, memory(391))).toMatchObject({
      code: 'memory-short',
      message: expect.stringContaining('about 328 MB of memory beside it, and 327 MB are free'),
    });
  });
});
