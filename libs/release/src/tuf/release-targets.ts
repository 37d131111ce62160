import { TargetFile, type Targets } from '@tufjs/models';
import { z } from 'zod';
import {
  type ReleaseFields,
  type ReleaseStatement,
  type ReleaseTarget,
  releaseFieldsSchema,
  releaseStatementSchema,
  releaseTargetSchema,
} from '../documents/release-statement.ts';
import { TufError } from './tuf-error.ts';

/** What `custom` of a variant's target says: all of its release, and all of the variant but what TUF itself has. */
const customSchema = z.object({
  ...releaseFieldsSchema.shape,
  ...releaseTargetSchema.omit({ path: true, length: true, sha256: true }).shape,
});

/** A release as targets of the image repository, one for each variant. @throws ZodError when it is invalid */
export function targetsOf(statement: ReleaseStatement): TargetFile[] {
  const { targets, ...release } = releaseStatementSchema.parse(statement);
  return targets.map(({ path, length, sha256, ...variant }) => {
    const custom = customSchema.parse({ ...release, ...variant });
    // Through JSON, so that what is absent is absent and not undefined: it is signed.
    return TargetFile.fromJSON(path, JSON.parse(JSON.stringify({ length, hashes: { sha256 }, custom })));
  });
}

/** A target that is a variant of a release, with what its release says. */
export interface VariantTarget {
  readonly release: ReleaseFields;
  readonly target: ReleaseTarget;
}

/**
 * What a target says of a release; undefined for a target that is none.
 * @throws TufError `target-invalid` for one that should be and says something else
 */
export function variantTargetOf(file: TargetFile): VariantTarget | undefined {
  if (file.unrecognizedFields.custom === undefined) return undefined;
  const custom = customSchema.safeParse(file.custom);
  const { sha256 } = file.hashes;
  if (!custom.success || sha256 === undefined) {
    const why = custom.success ? 'no sha256 among its hashes' : z.prettifyError(custom.error);
    throw new TufError('target-invalid', `the target ${file.path} does not describe a variant: ${why}`);
  }
  const release = releaseFieldsSchema.parse(custom.data);
  const target = releaseTargetSchema.parse({ ...custom.data, path: file.path, length: file.length, sha256 });
  return { release, target };
}

/**
 * The releases of the image repository, by name: what the publisher's own role names. Other roles to which it delegates
 * (TUF, 4.5) are not followed, and what only they name is not there.
 * @throws TufError `target-invalid` when a target is damaged, or variants of one release say different things of it
 */
export function statementsIn({ targets }: Pick<Targets, 'targets'>): Map<string, ReleaseStatement> {
  const found = new Map<string, { release: ReleaseFields; targets: ReleaseTarget[] }>();
  for (const file of Object.values(targets)) {
    const variant = variantTargetOf(file);
    if (variant === undefined) continue;
    const { release, target } = variant;
    const known = found.get(release.release);
    if (known === undefined) found.set(release.release, { release, targets: [target] });
    else if (JSON.stringify(known.release) === JSON.stringify(release)) known.targets.push(target);
    else throw new TufError('target-invalid', `the variants of ${release.release} say different things of it`);
  }
  const statements = new Map<string, ReleaseStatement>();
  for (const [name, { release, targets: variants }] of found) {
    const statement = releaseStatementSchema.safeParse({ ...release, targets: variants });
    if (!statement.success) throw new TufError('target-invalid', `${name}: ${z.prettifyError(statement.error)}`);
    statements.set(name, statement.data);
  }
  return statements;
}

/**
 * Who signs releases is said by the root alone: a role that somebody with a targets key could add would count without it.
 * Clients do not follow delegations; refused here, nobody publishes something that does not count.
 * @throws TufError `target-invalid`
 */
export function refuseDelegations({ delegations }: Pick<Targets, 'delegations'>): void {
  if (delegations === undefined) return;
  const names = Object.keys(delegations.roles ?? {}).join(', ');
  throw new TufError(
    'target-invalid',
    `expected targets metadata without delegations, it delegates to ${names === '' ? 'other roles' : names}; let the root name whoever is to publish: aviary key add`,
  );
}
