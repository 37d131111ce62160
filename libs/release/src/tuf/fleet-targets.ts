import { createHash } from 'node:crypto';
import { TargetFile, type Targets } from '@tufjs/models';
import { z } from 'zod';
import { releaseNameSchema } from '../release-name.ts';
import { TufError } from './tuf-error.ts';

/** Who may sign assignments. */
export const DIRECTOR_TARGET = 'director.json';
/** Revoked releases that devices must stop, even while they run. */
export const STOPPED_TARGET = 'stopped.json';

/** What one of these files may be of, in bytes. */
export const MAX_FLEET_TARGET_BYTES = 64 * 1024;

const directorSchema = z.object({
  keys: z
    .array(
      z.object({ name: z.string().min(1).max(128), publicKey: z.string().startsWith('-----BEGIN PUBLIC KEY-----') }),
    )
    .min(1)
    .max(16),
});
export type DirectorKeys = z.infer<typeof directorSchema>;

const stoppedSchema = z.object({ releases: z.array(releaseNameSchema) });

const CONTENT = { [DIRECTOR_TARGET]: directorSchema, [STOPPED_TARGET]: stoppedSchema } as const;
export type FleetTarget = keyof typeof CONTENT;
type ContentOf<Name extends FleetTarget> = z.infer<(typeof CONTENT)[Name]>;

/** A small file that the publisher signs for the whole fleet, and its target. */
export function createFleetTarget<Name extends FleetTarget>(
  name: Name,
  content: ContentOf<Name>,
): { readonly target: TargetFile; readonly bytes: Buffer } {
  const bytes = Buffer.from(JSON.stringify(CONTENT[name].parse(content)), 'utf8');
  const hashes = { sha256: createHash('sha256').update(bytes).digest('hex') };
  return { target: new TargetFile({ path: name, length: bytes.length, hashes }), bytes };
}

/** Length and digest of such a file, as the publisher signed them; undefined when there is none. */
export function fleetTargetOf(
  { targets }: Pick<Targets, 'targets'>,
  name: FleetTarget,
): { readonly length: number; readonly sha256: string } | undefined {
  const file = targets[name];
  const sha256 = file?.hashes.sha256;
  return file === undefined || sha256 === undefined ? undefined : { length: file.length, sha256 };
}

/**
 * Reads such a file, when it is the one that was signed.
 * @throws TufError `target-invalid`
 */
export function readFleetTarget<Name extends FleetTarget>(
  name: Name,
  signed: { readonly length: number; readonly sha256: string },
  bytes: Uint8Array,
): ContentOf<Name> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (bytes.length !== signed.length || sha256 !== signed.sha256) {
    throw new TufError(
      'target-invalid',
      `expected ${name} of ${signed.length} bytes with SHA-256 ${signed.sha256}, got ${bytes.length} bytes with ${sha256}`,
    );
  }
  try {
    return CONTENT[name].parse(JSON.parse(Buffer.from(bytes).toString('utf8'))) as ContentOf<Name>;
  } catch (cause) {
    throw new TufError('target-invalid', `the signed ${name} is invalid: ${String(cause)}`, { cause });
  }
}
