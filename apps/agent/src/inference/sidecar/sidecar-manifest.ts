import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formatSchema, runtimeSchema } from '@aviary/release';
import { z } from 'zod';

const manifestSchema = z.strictObject({
  runtime: runtimeSchema.exclude(['onnxruntime']),
  formats: z.array(formatSchema).min(1),
  /** A program and its arguments; relative paths begin at the folder of this file. */
  command: z.array(z.string().min(1)).min(1),
  /** Variables beside those that every child of the agent has. */
  environment: z.record(z.string(), z.string()).default({}),
});

/** A program that runs models of one runtime, as a file of the sidecars' folder says it. */
export interface SidecarManifest extends z.output<typeof manifestSchema> {
  /** The file's name, without its ending. */
  readonly name: string;
  /** Where it is started. */
  readonly folder: string;
}

/** A file of the sidecars' folder does not say what one says. */
export class SidecarManifestError extends Error {
  readonly code = 'sidecar-manifest-invalid';
  /** Of the sidecar. */
  readonly sidecar: string;
  constructor(sidecar: string, message: string) {
    super(message);
    this.sidecar = sidecar;
  }
}

const ENDING = '.json';

/** @throws SidecarManifestError */
export const readSidecarManifest = async (path: string): Promise<SidecarManifest> => {
  const name = basename(path, ENDING);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new SidecarManifestError(name, `${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return { ...parsed.data, name, folder: dirname(resolve(path)) };
  throw new SidecarManifestError(name, `${path} describes no sidecar:\n${z.prettifyError(parsed.error)}`);
};

/** Paths of the manifests in a folder, in the order of their names; none where there is no folder. */
export const sidecarManifestsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => []))
    .filter((name) => name.endsWith(ENDING))
    .sort()
    .map((name) => join(folder, name));
