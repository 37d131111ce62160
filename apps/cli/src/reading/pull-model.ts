import { join } from 'node:path';
import type { ReleaseTarget } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import type { Connection } from '../connection.ts';
import { expectFreeFolder, makeFolder } from '../publishing/free-folder.ts';
import type { FleetRepository } from '../trust/fleet-repository.ts';
import { type CheckedInside, openVariant } from './opened-variant.ts';
import { type PublishedRelease, publishedRelease } from './published-release.ts';
import { fetchSealed } from './sealed-bytes.ts';

export interface PullRequest {
  /** `model@version`. */
  readonly release: string;
  /** Id of the variant; may be left out where there is one only. */
  readonly variant?: string | undefined;
  /** The new folder; must not be there, or be empty. */
  readonly out: string;
}

export interface PulledModel extends CheckedInside {
  readonly release: string;
  readonly variant: string;
  readonly publisher: PublishedRelease['publisher'];
  /** Where it is now. */
  readonly directory: string;
}

const targetOf = ({ statement }: PublishedRelease, wanted: string | undefined): ReleaseTarget => {
  const { targets, release } = statement;
  const target =
    wanted === undefined && targets.length === 1 ? targets[0] : targets.find(({ variant }) => variant === wanted);
  if (target !== undefined) return target;
  const names = targets.map(({ variant }) => variant).join(', ');
  throw new UsageError(
    wanted === undefined
      ? `${release} has ${targets.length} variants: ${names}. Say which one with --variant.`
      : `Expected a variant of ${release} (${names}) for --variant, got "${wanted}".`,
  );
};

/**
 * Brings the files of a variant here, as the publisher has signed them. They are there all together, verified, or not
 * at all. Nothing large is held in memory; on the disk there is the sealed file beside the opened ones meanwhile.
 * @throws UsageError, NotPublishedError, SealedBytesError, and what `openVariant` throws
 */
export const pullModel = async (
  connection: Connection,
  repository: FleetRepository,
  { release: name, variant, out }: PullRequest,
): Promise<PulledModel> => {
  await expectFreeFolder(out);
  const release = await publishedRelease(repository, name);
  const target = targetOf(release, variant);
  const checked = await makeFolder(out, '.aviary-pull', async (folder, scratch) => {
    const sealed = join(scratch, 'sealed');
    await fetchSealed(connection, target, sealed);
    return openVariant(connection, { release, target }, sealed, folder);
  });
  return { release: name, variant: target.variant, publisher: release.publisher, directory: out, ...checked };
};
