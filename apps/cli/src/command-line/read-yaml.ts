import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { UsageError } from './usage-error.ts';

/**
 * Reads a file of keys that a flag names.
 * @param what it should be, e.g. `a rollout specification`
 * @param help what is said of a file that holds something else
 * @throws UsageError
 */
export const readYaml = async (path: string, what: string, help: string): Promise<Record<string, unknown>> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`Expected ${what} for --file, and cannot read "${path}".`);
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new UsageError(`Expected YAML in ${path}: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`Expected keys such as "release: model@version" in ${path}. ${help}`);
  }
  return { ...value };
};
