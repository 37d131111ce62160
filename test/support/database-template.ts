import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Database } from '../../apps/control-plane/src/infra/database.ts';
import { startEmbeddedDatabase } from '../../apps/control-plane/src/launcher/embedded-database.ts';
import { createMemoryLog } from './memory-log.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/aviary-database');
/** What a new database is made of. */
const SOURCES = [
  'apps/control-plane/src/infra/database.ts',
  'apps/control-plane/src/infra/migrations',
  'apps/control-plane/src/launcher/embedded-database.ts',
  'package-lock.json',
];

/** With owners and modes: PostgreSQL looks at both. */
const copy = (from: string, to: string) => promisify(execFile)('cp', ['-a', from, to]);

const filesOf = async (source: string): Promise<string[]> => {
  const path = join(ROOT, source);
  if (/\.\w+$/.test(source)) return [path];
  return (await readdir(path)).sort().map((name) => join(path, name));
};

const nameOfTemplate = async (): Promise<string> => {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    for (const path of await filesOf(source)) hash.update(await readFile(path));
  }
  return hash.digest('hex').slice(0, 16);
};

const make = async (template: string): Promise<void> => {
  const directory = await mkdtemp(join(tmpdir(), 'aviary-template-'));
  try {
    // PostgreSQL's own user has to reach its data below.
    await chmod(directory, 0o711);
    const server = await startEmbeddedDatabase(directory, () => {});
    const database = new Database(server.url, createMemoryLog().log);
    await database.start();
    await database.stop();
    await server.stop();
    await mkdir(CACHE, { recursive: true });
    const half = await mkdtemp(join(CACHE, 'half-'));
    for (const part of ['keys', 'postgres']) await copy(join(directory, part), half);
    // Another worker may have been faster; its own is as good.
    await rename(half, template).catch(() => rm(half, { recursive: true, force: true }));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

/**
 * Puts a database with the schema of this commit into a data directory, as the first start of a control plane leaves it:
 * made once and copied from then on, since making one takes longer than most tests.
 */
export const layDatabase = async (dataDirectory: string): Promise<void> => {
  const template = join(CACHE, await nameOfTemplate());
  if (!existsSync(template)) await make(template);
  await mkdir(dataDirectory, { recursive: true });
  for (const part of ['keys', 'postgres']) await copy(join(template, part), dataDirectory);
};
