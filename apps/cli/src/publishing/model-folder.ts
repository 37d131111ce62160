import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelDefinition, parseModelDefinition } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';

/** `model.yaml` of a folder, as it is written and as it is meant. */
export interface ModelFolder {
  readonly text: string;
  readonly definition: ModelDefinition;
}

/** Reads the `model.yaml` of a folder. @throws UsageError, ModelDefinitionError */
export const readModelFolder = async (directory: string): Promise<ModelFolder> => {
  const folder = await stat(directory).catch(() => undefined);
  if (folder?.isDirectory() !== true) throw new UsageError(`Expected a folder with a model.yaml, got "${directory}".`);
  const text = await readFile(join(directory, 'model.yaml'), 'utf8').catch(() => {
    throw new UsageError(`There is no model.yaml in ${directory}. docs/model-yaml.md shows one in ten lines.`);
  });
  return { text, definition: parseModelDefinition(text) };
};
