import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from '@aviary/protocol';
import type { ReleaseTarget } from '@aviary/release';
import type { Connection } from '../connection.ts';
import { withScratchFolder } from '../publishing/scratch-folder.ts';
import type { FleetRepository } from '../trust/fleet-repository.ts';
import { type CheckedInside, openVariant } from './opened-variant.ts';
import { type PublishedRelease, publishedRelease } from './published-release.ts';
import { fetchSealed } from './sealed-bytes.ts';

/** What verifying a variant has found. */
export interface VariantFinding {
  readonly variant: string;
  readonly profiles: readonly string[];
  /** Bytes, sealed. */
  readonly length: number;
  /** Of the sealed bytes. */
  readonly sha256: string;
  /** Null: it was not looked into. */
  readonly inside: CheckedInside | null;
  /** Why it was not looked into. */
  readonly closed: 'not-asked' | 'not-allowed' | null;
  /** What does not hold; null: everything that was looked at does. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** What verifying a release has found. */
export interface ReleaseFinding {
  readonly kind: 'release';
  readonly release: PublishedRelease;
  readonly variants: readonly VariantFinding[];
}

const problemOf = (error: unknown): NonNullable<VariantFinding['problem']> => {
  // What has no code is no finding, but a mistake of ours.
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) throw error;
  return { code: error.code, message: error.message };
};

const isForbidden = (error: unknown): boolean => error instanceof ApiError && error.problem.status === 403;

const lookInside = async (connection: Connection, release: PublishedRelease, target: ReleaseTarget) =>
  withScratchFolder('aviary-verify', async (scratch) => {
    await mkdir(scratch, { mode: 0o700 });
    const sealed = join(scratch, 'sealed');
    await fetchSealed(connection, target, sealed);
    try {
      return { inside: await openVariant(connection, { release, target }, sealed), closed: null };
    } catch (error) {
      if (isForbidden(error)) return { inside: null, closed: 'not-allowed' as const };
      throw error;
    }
  });

/**
 * Compares what the control plane holds of a release with what its publisher has signed: the sealed bytes of every
 * variant, and, for whoever may read models, what is inside.
 * @param open whether to look inside
 * @throws NotPublishedError; what does not hold of a variant is in its finding
 */
export const verifyRelease = async (
  connection: Connection,
  repository: FleetRepository,
  name: string,
  open: boolean,
): Promise<ReleaseFinding> => {
  const release = await publishedRelease(repository, name);
  const variants: VariantFinding[] = [];
  for (const target of release.statement.targets) {
    const { variant, profiles, length, sha256 } = target;
    const about = { variant, profiles, length, sha256 };
    try {
      if (open) variants.push({ ...about, ...(await lookInside(connection, release, target)), problem: null });
      else {
        await fetchSealed(connection, target);
        variants.push({ ...about, inside: null, closed: 'not-asked', problem: null });
      }
    } catch (error) {
      variants.push({ ...about, inside: null, closed: null, problem: problemOf(error) });
    }
  }
  return { kind: 'release', release, variants };
};
