import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  MANIFEST_FILE,
  OmsError,
  PROVENANCE_FOLDER,
  parseManifest,
  type ReleaseManifest,
  SIGNATURE_FILE,
  SIGNER_FILE,
  type VerifiedModel,
  verifyModel,
} from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import { definitionOfManifest, SAMPLES_LIST } from './definition-of-manifest.ts';
import { definitionSkeleton } from './definition-skeleton.ts';
import { readForeignFolder } from './foreign-folder.ts';
import { expectFreeFolder, makeFolder } from './free-folder.ts';

const DEFINITION_FILE = 'model.yaml';

export interface ImportedModel {
  /** Where it is now. */
  readonly directory: string;
  /** What its signer called it. */
  readonly name: string;
  /** Id of the key that signed it: SHA-256 of its PEM, hex. */
  readonly signer: string;
  /** SHA-256 over the digests of its files, hex. */
  readonly rootDigest: string;
  readonly files: number;
  /** Whether `model.yaml` came with it, was made of a release's manifest, or is a skeleton to be completed. */
  readonly definition: 'signed' | 'manifest' | 'skeleton';
}

/** @throws OmsError that names the folder, and the file that differs */
const verified = (directory: string, files: ReadonlyMap<string, Buffer>, signer: string): VerifiedModel => {
  const signature = files.get(SIGNATURE_FILE);
  if (signature === undefined) {
    throw new UsageError(
      `There is no ${SIGNATURE_FILE} in ${directory}: expected a model that was signed after OpenSSF Model Signing.`,
    );
  }
  try {
    return verifyModel(signature, files, [signer]);
  } catch (error) {
    if (!(error instanceof OmsError)) throw error;
    throw new OmsError(error.code, `${directory} is not what was signed: ${error.message}. Nothing was imported.`, {
      cause: error,
    });
  }
};

/** The manifest of a release that was pulled; undefined for a model from elsewhere. */
const manifestOf = (files: ReadonlyMap<string, Buffer>): ReleaseManifest | undefined => {
  const bytes = files.get(MANIFEST_FILE);
  if (bytes === undefined) return undefined;
  try {
    return parseManifest(bytes);
  } catch {
    // Others call files so, too.
    return undefined;
  }
};

/**
 * Verifies a model's folder that somebody else has signed, and makes of it a folder that can be pushed, with their
 * signature and key in `provenance/`. It is there as a whole, or, when anything is not as it was signed, not at all.
 * @param signer the public key that is trusted to have signed it, SPKI PEM
 * @param out the new folder; must not be there, or be empty
 * @throws UsageError, OmsError
 */
export const importModel = async (directory: string, signer: string, out: string): Promise<ImportedModel> => {
  const target = resolve(out);
  await expectFreeFolder(target);
  const files = await readForeignFolder(directory);
  const { name, keyId, rootDigest, files: signed } = verified(directory, files, signer);
  if (signed.some(({ name: path }) => path === PROVENANCE_FOLDER || path.startsWith(`${PROVENANCE_FOLDER}/`))) {
    throw new UsageError(
      `${directory} has a ${PROVENANCE_FOLDER} of its own, where the signature would have to lie. Import the model that it comes from.`,
    );
  }
  const made = files.has(DEFINITION_FILE) ? undefined : manifestOf(files);
  const definition = files.has(DEFINITION_FILE) ? 'signed' : made === undefined ? 'skeleton' : 'manifest';
  const all = new Map<string, Buffer | string>(signed.map(({ name: path }) => [path, files.get(path) ?? '']));
  all.set(`${PROVENANCE_FOLDER}/${SIGNATURE_FILE}`, files.get(SIGNATURE_FILE) ?? '');
  all.set(`${PROVENANCE_FOLDER}/${SIGNER_FILE}`, signer);
  if (made !== undefined) {
    const { yaml, samples } = definitionOfManifest(made);
    all.set(DEFINITION_FILE, yaml).set(SAMPLES_LIST, samples);
  }
  if (definition === 'skeleton') all.set(DEFINITION_FILE, definitionSkeleton(basename(resolve(directory)), files));
  await makeFolder(target, '.aviary-import', async (folder) => {
    for (const [path, content] of all) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content, { flag: 'wx' });
    }
  });
  return { directory: out, name, signer: keyId, rootDigest, files: signed.length, definition };
};
