import {
  Metadata,
  MetadataKind,
  type Root,
  Signature,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import type { Signer } from '../documents/signing-key.ts';
import { TufError } from './tuf-error.ts';

/** The four top-level roles of TUF 1.0.30, 2.1. */
export const TUF_ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type TufRole = (typeof TUF_ROLES)[number];

interface SignedByRole {
  root: Root;
  targets: Targets;
  snapshot: Snapshot;
  timestamp: Timestamp;
}
export type RoleMetadata<Role extends TufRole> = Metadata<SignedByRole[Role]>;

const KINDS = {
  root: MetadataKind.Root,
  targets: MetadataKind.Targets,
  snapshot: MetadataKind.Snapshot,
  timestamp: MetadataKind.Timestamp,
} as const;

/** What a role's metadata may be of, in bytes; more is not read (TUF, 5.3.3 and so on). */
export const MAX_METADATA_BYTES: Readonly<Record<TufRole, number>> = {
  root: 512_000,
  targets: 16_000_000,
  snapshot: 64_000,
  timestamp: 16_384,
};

/** Reads metadata without believing any of it. @throws TufError `metadata-malformed` */
export function decodeMetadata<Role extends TufRole>(role: Role, text: string): RoleMetadata<Role> {
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES[role]) {
    throw new TufError('metadata-malformed', `expected ${role} metadata of at most ${MAX_METADATA_BYTES[role]} bytes`);
  }
  try {
    // The overloads of the package cannot follow a union of kinds.
    return Metadata.fromJSON(KINDS[role] as MetadataKind.Root, JSON.parse(text)) as unknown as RoleMetadata<Role>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TufError('metadata-malformed', `expected ${role} metadata of TUF 1.0 in JSON: ${why}`, { cause });
  }
}

/** Metadata as it is stored and sent. Signatures are over the canonical JSON of its `signed` part, not over these bytes. */
export function encodeMetadata(metadata: Pick<RoleMetadata<TufRole>, 'toJSON'>): string {
  return `${JSON.stringify(metadata.toJSON())}\n`;
}

/** Adds signatures; one of the same key is replaced. */
export function signMetadata(metadata: Pick<RoleMetadata<TufRole>, 'sign'>, signers: readonly Signer[]): void {
  for (const signer of signers) {
    metadata.sign((bytes) => new Signature({ keyID: signer.keyId, sig: signer.sign(bytes).toString('hex') }));
  }
}

/** Whether two pieces of metadata say the same, whoever signed them. */
export function saysTheSame(a: RoleMetadata<TufRole>, b: RoleMetadata<TufRole>): boolean {
  return a.signed.equals(b.signed as never);
}

/** Milliseconds since 1970. */
export function expiryOf(metadata: { readonly signed: { readonly expires: string } }): number {
  return Date.parse(metadata.signed.expires);
}

/** A time as TUF writes it: UTC, whole seconds (4.2.1). */
export function tufTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
