import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import { Spool, type SpoolOptions } from '../telemetry/spool.ts';
import { FailingFiles } from './failing-files.ts';

/** An agent's run with the spool in `folder`: what it said of troubles, and the spool. */
export const startSpool = async (folder: string, change: Partial<SpoolOptions> = {}) => {
  const troubles: string[] = [];
  const files = new FailingFiles(folder);
  const onTrouble = (code: string): void => void troubles.push(code);
  const spool = new Spool(files, { deviceId: 'd-one', epoch: 1, maxBytes: 2 ** 20, onTrouble, ...change });
  await spool.open();
  return { spool, files, troubles };
};

/** Everything that is there, acknowledged batch by batch. */
export const drain = async (spool: Spool) => {
  const batches = [];
  for (let batch = await spool.head(); batch !== undefined; batch = await spool.head()) {
    batches.push(batch);
    expect(await spool.acknowledge(batch)).toBe(true);
  }
  return { seqs: batches.map(({ seq }) => seq), records: batches.flatMap(({ records }) => records) };
};

/** Names of the files that hold what waits, oldest first. */
export const entries = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => /^\d/.test(name)).sort();
