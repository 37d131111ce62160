import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, type ManifestTraining, parseManifest } from '@aviary/release';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import type { HeldRelease } from '../state/journal.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';

/** What learning has to know of the release that serves; read from its verified files, not told by its worker. */
export interface ServedRelease {
  readonly held: HeldRelease;
  readonly worker: Pick<WorkerHandle, 'features'>;
  /** Its opened files. */
  readonly folder: string;
  readonly labels: readonly string[];
  /** The model's file, in `folder`. */
  readonly modelFile: string;
  /** Absent where its head cannot be trained. */
  readonly training: ManifestTraining | undefined;
}

/** @throws ManifestError; what the disk throws */
export const readServed = async ({ release, worker, folder }: LoadedRelease): Promise<ServedRelease> => {
  const { labels, training, variant } = parseManifest(await readFile(join(folder, MANIFEST_FILE)));
  return { held: release, worker, folder, labels, modelFile: variant.file, training };
};
