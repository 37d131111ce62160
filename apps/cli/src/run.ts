import { execute, settings } from '@oclif/core';

/** Runs the command line; errors are told by the commands themselves. */
export const run = async (dir: string): Promise<void> => {
  settings.debug = process.env.AVIARY_DEBUG === '1';
  await execute({ dir });
};
