import { createHash } from 'node:crypto';
import { Metadata, MetaFile, Snapshot, type TargetFile, Targets, Timestamp } from '@tufjs/models';
import { type RoleMetadata, tufTime } from './signed-metadata.ts';

/** What all metadata has. */
interface Common {
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

const commonOf = ({ version, expires }: Common) => ({ version, expires: tufTime(expires), specVersion: '1.0.30' });

/** Targets metadata that is not signed yet. */
export function createTargets(common: Common, files: Iterable<TargetFile>): RoleMetadata<'targets'> {
  const targets = Object.fromEntries([...files].map((file) => [file.path, file]));
  return new Metadata(new Targets({ ...commonOf(common), targets }));
}

/** Snapshot metadata over the current targets metadata (TUF, 4.4), not signed yet. @param text as it is stored */
export function createSnapshot(
  common: Common,
  targets: { readonly version: number; readonly text: string },
): RoleMetadata<'snapshot'> {
  return new Metadata(new Snapshot({ ...commonOf(common), meta: { 'targets.json': fileOf(targets) } }));
}

/** Timestamp metadata over the current snapshot (TUF, 4.6), not signed yet. @param text as it is stored */
export function createTimestamp(
  common: Common,
  snapshot: { readonly version: number; readonly text: string },
): RoleMetadata<'timestamp'> {
  return new Metadata(new Timestamp({ ...commonOf(common), snapshotMeta: fileOf(snapshot) }));
}

function fileOf({ version, text }: { readonly version: number; readonly text: string }): MetaFile {
  const hashes = { sha256: createHash('sha256').update(text).digest('hex') };
  return new MetaFile({ version, length: Buffer.byteLength(text), hashes });
}
