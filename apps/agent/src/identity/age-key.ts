import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../state/durable-file.ts';
import type { KeyKeeping } from './key-keeping.ts';

const FILE = 'age.key';

/** Reads the device's age identity. @returns `AGE-SECRET-KEY-1…` @throws what the disk throws; as `KeyKeeping.disclose` */
export const readAgeIdentity = async (folder: string, keeping: KeyKeeping): Promise<string> =>
  keeping.disclose(await readFile(join(folder, FILE), 'utf8'), 'age identity').trim();

export const writeAgeIdentity = (folder: string, ageIdentity: string, keeping: KeyKeeping): Promise<void> =>
  writeDurably(join(folder, FILE), keeping.enclose(`${ageIdentity}\n`, 'age identity'));
