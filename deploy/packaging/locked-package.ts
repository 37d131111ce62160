import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/aviary-packages');

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
}

/** What came is not what the lock file says. */
export class IntegrityError extends Error {
  readonly code = 'integrity';
}

const readJson = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8'));

/**
 * The folder of an npm package in the very version that the lock file has: as installed, or, where it is for another machine
 * than this one, fetched, compared with the lock file, and kept for the next time.
 * @throws IntegrityError; what npm throws
 */
export const lockedPackage = async (name: string): Promise<string> => {
  const { packages } = await readJson<Lock>(join(ROOT, 'package-lock.json'));
  const { version, integrity } = packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) {
    throw new IntegrityError(`Expected ${name} in package-lock.json, with its version and integrity. Run: npm install`);
  }
  const installed = join(ROOT, 'node_modules', name);
  const found = await readJson<{ version: string }>(join(installed, 'package.json')).catch(() => undefined);
  if (found?.version === version) return installed;
  const kept = join(CACHE, `${name.replace('/', '+')}-${version}`);
  if (!existsSync(kept)) await fetchPackage(`${name}@${version}`, integrity, kept);
  return kept;
};

const fetchPackage = async (spec: string, integrity: string, folder: string): Promise<void> => {
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, 'fetching-'));
  try {
    const { stdout } = await run('npm', ['pack', spec, '--json', '--pack-destination', draft], { cwd: draft });
    const [packed] = JSON.parse(stdout) as { filename: string }[];
    const archive = join(draft, packed?.filename ?? '');
    const actual = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (actual !== integrity) throw new IntegrityError(`Expected ${spec} with ${integrity}, got ${actual}.`);
    const unpacked = join(draft, 'unpacked');
    await mkdir(unpacked);
    await run('tar', ['-xzf', archive, '-C', unpacked, '--strip-components=1', '--no-same-owner']);
    await rename(unpacked, folder).catch((error: unknown) => {
      // Somebody else was faster.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
};
