import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layFiles, PROGRAM } from '../../../deploy/packaging/agent-package.ts';

/** The agent as its package lays it on a board of this machine's architecture, in a folder that goes at the end. */
export const layPackagedAgent = async (): Promise<{ readonly program: string } & AsyncDisposable> => {
  const tree = await mkdtemp(join(tmpdir(), 'aviary-bench-package-'));
  const remove = () => rm(tree, { recursive: true, force: true });
  try {
    await layFiles(tree, process.arch === 'arm64' ? 'arm64' : 'amd64', '0.0.0');
  } catch (error) {
    await remove();
    throw error;
  }
  return { program: join(tree, PROGRAM), [Symbol.asyncDispose]: remove };
};
