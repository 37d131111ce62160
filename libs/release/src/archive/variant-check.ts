import { MANIFEST_FILE, ManifestError, parseManifest, type ReleaseManifest, SIGNATURE_FILE } from './manifest.ts';
import { type VerifiedModel, verifyModelDigests } from './oms.ts';
import type { UnpackedArchive } from './unpack-archive.ts';

/** Which variant somebody means to have, as the image repository names it. */
export interface ExpectedVariant {
  /** `model@version`. */
  readonly release: string;
  /** Id of the variant. */
  readonly variant: string;
  /** Of whoever signed the files, SPKI PEM. */
  readonly publisherKey: string;
}

export interface VerifiedVariant {
  readonly signed: VerifiedModel;
  readonly manifest: ReleaseManifest;
}

/**
 * Checks that files are those that the publisher has signed, all of them and no others, and that they are the variant
 * that is meant: a proper archive of another release is refused.
 * @param unpacked with the contents of `model.sig` and `manifest.json` among what was kept
 * @throws OmsError, ManifestError
 */
export function verifyVariant(
  { files, kept }: Pick<UnpackedArchive, 'files' | 'kept'>,
  expected: ExpectedVariant,
): VerifiedVariant {
  const signed = verifyModelDigests(kept.get(SIGNATURE_FILE) ?? Buffer.alloc(0), files, [expected.publisherKey]);
  const manifest = parseManifest(kept.get(MANIFEST_FILE) ?? Buffer.alloc(0));
  if (manifest.release !== expected.release || manifest.variant.id !== expected.variant) {
    throw new ManifestError(
      `expected the archive of ${expected.release}, variant ${expected.variant}; it says that it is ${manifest.release}, variant ${manifest.variant.id}`,
    );
  }
  return { signed, manifest };
}
