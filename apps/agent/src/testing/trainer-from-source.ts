import { fileURLToPath } from 'node:url';
import type { TrainerOptions } from '../learning/trainer-handle.ts';

/** A trainer that is started from its TypeScript source, with the libraries' sources. */
export const trainerFromSource: TrainerOptions = {
  trainerPath: fileURLToPath(new URL('../learning/trainer/trainer-main.ts', import.meta.url)),
  execArgv: ['--conditions=aviary-source'],
};
