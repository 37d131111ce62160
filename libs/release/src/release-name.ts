import { z } from 'zod';

/** A model's name: 1 to 63 of a-z, 0-9 and inner hyphens (RFC 1123 label). */
export const modelNameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'expected 1 to 63 of a-z, 0-9 and inner hyphens, e.g. meter-reader');

const SEMVER = String.raw`(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`;

/** A semantic version (semver.org 2.0.0). */
export const versionSchema = z
  .string()
  .max(64)
  .regex(new RegExp(`^${SEMVER}$`), 'expected a semantic version such as 1.4.0');

/** `model@version`, e.g. `meter-reader@1.4.0`. */
export const releaseNameSchema = z
  .string()
  .max(128)
  .regex(
    new RegExp(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?@${SEMVER}$`),
    'expected model@version, e.g. meter-reader@1.4.0',
  );

/** The parts of `model@version`; throws a `ZodError` when `release` is none. */
export function splitReleaseName(release: string): { model: string; version: string } {
  const [model = '', version = ''] = releaseNameSchema.parse(release).split('@');
  return { model, version };
}

/** `model@version`, which `splitReleaseName` takes apart. */
export function releaseOf({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${name}@${version}`;
}
