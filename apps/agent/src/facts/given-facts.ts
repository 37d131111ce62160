import { readFile } from 'node:fs/promises';
import { type DeviceFacts, deviceFactsSchema } from '@aviary/hardware';
import { z } from 'zod';

/** Facts that were given in a file are not facts. */
export class FactsError extends Error {
  readonly code = 'facts-invalid';
}

/** Facts from a file, for a board that is only played: they are marked so. @throws FactsError */
export const readFacts = async (path: string): Promise<DeviceFacts> => {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new FactsError(`The facts in ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = deviceFactsSchema.safeParse(value);
  if (!parsed.success)
    throw new FactsError(`${path} does not hold the facts of a device:\n${z.prettifyError(parsed.error)}`);
  return { ...parsed.data, simulated: true };
};
