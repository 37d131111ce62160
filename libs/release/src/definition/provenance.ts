import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SIGNATURE_FILE } from '../archive/manifest.ts';
import { OmsError, type VerifiedModel, verifySignedList } from '../archive/oms.ts';
import type { ModelDefinition } from './model-definition.ts';
import { ReleaseBuildError } from './release-build-error.ts';

/** Folder of a model, and of its archives, with what its first signer has signed. */
export const PROVENANCE_FOLDER = 'provenance';
/** The first signer's public key, beside their `model.sig`. */
export const SIGNER_FILE = 'signer.pem';
/** In an archive: which of the signed files are not as they were signed, and why. */
export const CHANGES_FILE = 'changes.json';

const DEFINITION_FILE = 'model.yaml';

/** Somebody else's signature over the files that a release is made of. */
export interface Provenance {
  readonly signed: VerifiedModel;
  /** Paths that differ from what was signed, and how, in words of the publisher. */
  readonly changed: Readonly<Record<string, string>>;
  /** What goes into each archive, by path. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/**
 * Reads the provenance of a model's folder, where there is one, and compares the folder with it: each file that was
 * signed is as it was signed, and each variant's file was signed, or `provenance.changed` in model.yaml says why not.
 * `model.yaml` itself may change: it says what the release is, and is in no archive.
 * @throws ReleaseBuildError `provenance-invalid`, `provenance-unstated` (all of them at once)
 */
export async function readProvenance(directory: string, definition: ModelDefinition): Promise<Provenance | undefined> {
  const stated = definition.provenance?.changed ?? {};
  const bundle = await read(directory, SIGNATURE_FILE);
  const signer = await read(directory, SIGNER_FILE);
  if (bundle === undefined && signer === undefined) {
    if (definition.provenance === undefined) return undefined;
    throw invalid(
      `model.yaml, provenance: there is no ${PROVENANCE_FOLDER}/${SIGNATURE_FILE} of which something could be changed. Take it out, or import the model with: aviary model import`,
    );
  }
  if (bundle === undefined || signer === undefined) {
    const missing = bundle === undefined ? SIGNATURE_FILE : SIGNER_FILE;
    throw invalid(
      `Expected ${PROVENANCE_FOLDER}/${missing} beside the other one, and it is not there. Import the model again.`,
    );
  }
  const signed = verified(bundle, signer);
  const differing = await differencesOf(directory, definition, signed);
  const unstated = [...differing].filter(([path]) => stated[path] === undefined);
  if (unstated.length > 0) {
    throw new ReleaseBuildError(
      'provenance-unstated',
      `Files differ from what the first signer of ${signed.name} has signed: ${unstated.map(([path, how]) => `${path} ${how}`).join(', ')}. ` +
        'Restore them, or say in model.yaml what was done to each, e.g. provenance: { changed: { model.onnx: quantised to int8 } }.',
    );
  }
  const untrue = Object.keys(stated).filter((path) => !differing.has(path) && path !== DEFINITION_FILE);
  if (untrue.length > 0) {
    throw invalid(
      `model.yaml, provenance.changed: ${untrue.join(', ')} is as it was signed, or not part of the release. Take it out.`,
    );
  }
  const changed = Object.fromEntries(Object.entries(stated).sort(([a], [b]) => (a < b ? -1 : 1)));
  const files = new Map([
    [`${PROVENANCE_FOLDER}/${SIGNATURE_FILE}`, bundle],
    [`${PROVENANCE_FOLDER}/${SIGNER_FILE}`, signer],
  ]);
  if (Object.keys(changed).length > 0) {
    files.set(`${PROVENANCE_FOLDER}/${CHANGES_FILE}`, Buffer.from(`${JSON.stringify({ changed }, null, 2)}\n`, 'utf8'));
  }
  return { signed, changed, files };
}

async function read(directory: string, name: string): Promise<Buffer | undefined> {
  return readFile(join(directory, PROVENANCE_FOLDER, name)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}

function verified(bundle: Buffer, signer: Buffer): VerifiedModel {
  try {
    return verifySignedList(bundle, [signer.toString('utf8')]);
  } catch (cause) {
    if (!(cause instanceof OmsError) && !(cause instanceof Error && 'code' in cause)) throw cause;
    throw new ReleaseBuildError(
      'provenance-invalid',
      `${PROVENANCE_FOLDER}/${SIGNATURE_FILE} is not what ${PROVENANCE_FOLDER}/${SIGNER_FILE} has signed: ${cause.message}. Import the model again.`,
      { cause },
    );
  }
}

/** Paths that are not as they were signed, with how. */
async function differencesOf(
  directory: string,
  definition: ModelDefinition,
  { files }: VerifiedModel,
): Promise<Map<string, string>> {
  const differing = new Map<string, string>();
  for (const { name, sha256 } of files) {
    if (name === DEFINITION_FILE) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true) differing.set(name, 'is missing');
    else if (
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex') !== sha256
    )
      differing.set(name, 'was changed');
  }
  const known = new Set(files.map(({ name }) => name));
  for (const { file, files: several } of definition.variants) {
    for (const path of several === undefined ? [file] : Object.values(several)) {
      if (!known.has(path)) differing.set(path, 'was added');
    }
  }
  return differing;
}

function invalid(message: string): ReleaseBuildError {
  return new ReleaseBuildError('provenance-invalid', message);
}
