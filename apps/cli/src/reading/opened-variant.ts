import { createHash } from 'node:crypto';
import {
  AgeError,
  ageRecipientOf,
  BOM_FILE,
  filePieces,
  generateAgeIdentity,
  MANIFEST_FILE,
  openHeader,
  openPayload,
  SIGNATURE_FILE,
  type UnpackedArchive,
  unpackArchive,
  verifyModelBom,
  verifyVariant,
} from '@aviary/release';
import type { Connection } from '../connection.ts';
import type { PublishedVariant } from './published-release.ts';

/** Files whose content is looked into. */
export const READ_FILES = [SIGNATURE_FILE, MANIFEST_FILE, BOM_FILE] as const;

/** What is inside is not what was signed; `code` says in which way. */
export class VariantRefusedError extends Error {
  readonly code: 'key-refused' | 'archive-changed' | 'signature-changed';
  constructor(code: VariantRefusedError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A variant whose files are those that the publisher has signed. */
export interface CheckedInside {
  /** How many files it has, its signature not counted. */
  readonly files: number;
  /** SHA-256 over the digests of its files, as signed, hex. */
  readonly rootDigest: string;
  /** Its bill of materials, when it has one. */
  readonly bom: { readonly specVersion: string; readonly files: number } | null;
}

/**
 * Compares the files of a variant with what was signed: by the metadata of the fleet, by the model's own signature, and
 * by its bill of materials.
 * @param digests of the files, and the contents of {@link READ_FILES}
 * @throws VariantRefusedError, OmsError, ManifestError, ModelBomError
 */
export const checkInside = (
  { release, target }: PublishedVariant,
  digests: Pick<UnpackedArchive, 'files' | 'kept'>,
): CheckedInside => {
  const { statement } = release;
  const signature = digests.kept.get(SIGNATURE_FILE) ?? Buffer.alloc(0);
  const { signed, manifest } = verifyVariant(digests, {
    release: statement.release,
    variant: target.variant,
    publisherKey: statement.publisherKey,
  });
  // Signed by the same key is not enough: another build of the same version would be, too.
  if (createHash('sha256').update(signature).digest('hex') !== target.omsSha256) {
    throw new VariantRefusedError(
      'signature-changed',
      `Expected the ${SIGNATURE_FILE} of ${statement.release}, variant ${target.variant}, as it was published; this is another one of the same key.`,
    );
  }
  const bom = digests.kept.get(BOM_FILE);
  return {
    files: signed.files.length,
    rootDigest: signed.rootDigest,
    bom: bom === undefined ? null : verifyModelBom(bom, manifest, digests.files),
  };
};

/** Checks an opened archive as a whole, too. @throws as {@link checkInside} */
export const checkArchive = (variant: PublishedVariant, unpacked: UnpackedArchive): CheckedInside => {
  const { plaintextSha256, variant: id } = variant.target;
  if (unpacked.digest !== plaintextSha256) {
    throw new VariantRefusedError(
      'archive-changed',
      `Expected the archive of ${id} with SHA-256 ${plaintextSha256}, opened one with ${unpacked.digest}.`,
    );
  }
  return checkInside(variant, unpacked);
};

/**
 * Opens a variant with a key of its own, made for this once, to which the control plane seals the file key. It keeps
 * in its audit trail who asked.
 * @param sealedFile whose bytes are known to be those that were signed
 * @param folder a new one for its files, which count when this has ended well; undefined: they are only checked
 * @throws ApiError when the control plane does not give the key; VariantRefusedError, AgeError, ArchiveError, and as
 *   {@link checkArchive}
 */
export const openVariant = async (
  connection: Connection,
  variant: PublishedVariant,
  sealedFile: string,
  folder?: string,
): Promise<CheckedInside> => {
  const identity = generateAgeIdentity();
  const { release } = variant.release.statement;
  const { variant: id } = variant.target;
  const { ageHeader } = await connection.client.openVariant({
    params: { release, variant: id },
    body: { recipient: ageRecipientOf(identity) },
  });
  try {
    const fileKey = openHeader(Buffer.from(ageHeader, 'base64'), identity);
    const unpacked = await unpackArchive(openPayload(fileKey, filePieces(sealedFile)), folder, READ_FILES);
    return checkArchive(variant, unpacked);
  } catch (error) {
    if (!(error instanceof AgeError)) throw error;
    // The bytes are as they were signed, so it is the key that is not.
    throw new VariantRefusedError(
      'key-refused',
      `The control plane gave a key that does not open ${id} of ${release} (${error.message}). Its keys are damaged, or it is not to be trusted.`,
      { cause: error },
    );
  }
};
