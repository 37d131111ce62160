import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { filePieces, MANIFEST_FILE, parseManifest, unpackArchive } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import { foreignPaths } from '../publishing/foreign-folder.ts';
import type { FleetRepository } from '../trust/fleet-repository.ts';
import { type CheckedInside, checkArchive, checkInside, READ_FILES } from './opened-variant.ts';
import { NotPublishedError, type PublishedVariant, publishedVariant } from './published-release.ts';

/** What verifying something on this machine has found: it is a variant of this release. */
export interface LocalFinding extends PublishedVariant {
  readonly kind: 'folder' | 'archive' | 'sealed';
  readonly path: string;
  /** Null: it is sealed. */
  readonly inside: CheckedInside | null;
}

const digestOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const piece of filePieces(path)) hash.update(piece);
  return hash.digest('hex');
};

/** The variant that a folder says it is; whether it is that, is another question. */
const variantOf = async (repository: FleetRepository, directory: string): Promise<PublishedVariant> => {
  const bytes = await readFile(join(directory, MANIFEST_FILE)).catch(() => {
    throw new UsageError(
      `There is no ${MANIFEST_FILE} in ${directory}. Expected the folder of a release, as aviary model pull makes it.`,
    );
  });
  const { release, variant } = parseManifest(bytes);
  const found = await publishedVariant(
    repository,
    (target, statement) => statement.release === release && target.variant === variant.id,
  );
  if (found !== undefined) return found;
  throw new NotPublishedError(
    `${directory} says that it is ${release}, variant ${variant.id}, which is not published now: it never was, or it was taken back.`,
  );
};

const verifyFolder = async (repository: FleetRepository, directory: string): Promise<LocalFinding> => {
  const variant = await variantOf(repository, directory);
  const files = new Map<string, string>();
  const kept = new Map<string, Buffer>();
  for await (const path of foreignPaths(directory)) {
    if (READ_FILES.some((name) => name === path)) {
      const content = await readFile(join(directory, path));
      kept.set(path, content);
      files.set(path, createHash('sha256').update(content).digest('hex'));
    } else files.set(path, await digestOf(join(directory, path)));
  }
  return { kind: 'folder', path: directory, ...variant, inside: checkInside(variant, { files, kept }) };
};

const verifyFile = async (repository: FleetRepository, path: string): Promise<LocalFinding> => {
  const digest = await digestOf(path);
  const variant = await publishedVariant(
    repository,
    ({ sha256, plaintextSha256 }) => sha256 === digest || plaintextSha256 === digest,
  );
  if (variant === undefined) {
    throw new NotPublishedError(
      `${path} (SHA-256 ${digest}) is neither the archive nor the sealed bytes of any variant that is published now.`,
    );
  }
  if (variant.target.sha256 === digest) return { kind: 'sealed', path, ...variant, inside: null };
  const unpacked = await unpackArchive(filePieces(path), undefined, READ_FILES);
  return { kind: 'archive', path, ...variant, inside: checkArchive(variant, unpacked) };
};

/**
 * Compares a pulled folder, an archive or sealed bytes on this machine with what is published and signed for now.
 * @throws UsageError, NotPublishedError, and what `checkInside` throws
 */
export const verifyLocal = async (repository: FleetRepository, path: string): Promise<LocalFinding> => {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return verifyFolder(repository, path);
  if (found?.isFile() === true) return verifyFile(repository, path);
  throw new UsageError(
    `Expected a release such as meter-reader@1.1.0, or a folder or file of one, got "${path}", which is not there.`,
  );
};
