import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, parseManifest, type ReleaseManifest } from '@aviary/release';

/** The manifest of a release that was opened and verified. @throws ManifestError; what the disk throws */
export const manifestIn = async (folder: string): Promise<ReleaseManifest> =>
  parseManifest(await readFile(join(folder, MANIFEST_FILE)));
