import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Gives `work` the path of a folder that it may make, and removes the folder afterwards: also when `work` fails, or
 * somebody presses Ctrl-C.
 * @param parent where it is; a folder that is to be moved to its place has to lie on the same disk
 */
export const withScratchFolder = async <Result>(
  name: string,
  work: (folder: string) => Promise<Result>,
  parent: string = tmpdir(),
): Promise<Result> => {
  const folder = join(parent, `${name}-${randomUUID()}`);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const leave = (signal: NodeJS.Signals) => {
    remove();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.once(signal, leave);
  try {
    return await work(folder);
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    remove();
  }
};
