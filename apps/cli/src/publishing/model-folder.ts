import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, type ModelDefinition, parseModelDefinition } from '@aviary/release';
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
  const text = await readFile(join(directory, 'model.yaml'), 'utf8').catch(async () => {
    if ((await stat(join(directory, MANIFEST_FILE)).catch(() => undefined)) !== undefined) {
      throw new UsageError(
        `${directory} holds a release, and no model.yaml to make another one of. Make a folder with one of it: aviary model import --oms-key publisher.key.pub ${directory}`,
      );
    }
    throw new UsageError(`There is no model.yaml in ${directory}. docs/model-yaml.md shows one in ten lines.`);
  });
  return { text, definition: parseModelDefinition(text) };
};
