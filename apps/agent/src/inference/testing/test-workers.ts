import { afterEach } from 'vitest';
import type { Frame } from '../frame.ts';
import { startWorker, type WorkerHandle } from '../worker-handle.ts';
import type { WorkerOptions } from '../worker-process.ts';
import { grayPng, workerFromSource } from './light-release.ts';

/** Starts workers that are stopped after the test that started them. To be called once, at the top of a test file. */
export const testWorkers = () => {
  const started: WorkerHandle[] = [];
  afterEach(async () => {
    for (const handle of started.splice(0)) await handle.stop();
  });
  return async (archiveDirectory: string, options: Partial<WorkerOptions> = {}): Promise<WorkerHandle> => {
    const handle = await startWorker({ archiveDirectory, providers: ['cpu'], ...workerFromSource, ...options });
    started.push(handle);
    return handle;
  };
};

/** A file of 2 × 2 pixels of one gray, as a source gives it. */
export const grayFrame = async (gray: number): Promise<Frame> => ({
  source: `${gray}.png`,
  picture: { kind: 'encoded', bytes: await grayPng(gray) },
});
