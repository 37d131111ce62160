import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

/** Makes folders that are removed after the test that made them. To be called once, at the top of a test file. */
export const temporaryFolders = (): (() => Promise<string>) => {
  const made: string[] = [];
  afterEach(async () => {
    // An agent has four seconds to end; what it does then still may write a last time.
    const options = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 };
    for (const folder of made.splice(0)) await rm(folder, options);
  });
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'aviary-agent-'));
    made.push(folder);
    return folder;
  };
};
