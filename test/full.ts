import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SUFFIX = '.test.ts';

/** The longer tests, by name: test/full/NAME.test.ts. */
const names = readdirSync(new URL('full', import.meta.url))
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))
  .sort();

const [name, ...options] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  const got = name === undefined ? 'none' : `"${name}"`;
  process.stderr.write(`Expected the name of a test, got ${got}.\n  npm run test:full -- ${names.join(' | ')}\n`);
  process.exit(2);
}
const vitest = join(ROOT, 'node_modules/.bin/vitest');
const parameters = ['run', '--config', 'vitest.full.config.ts', `test/full/${name}${SUFFIX}`, ...options];
const { status } = spawnSync(vitest, parameters, { cwd: ROOT, stdio: 'inherit' });
process.exit(status ?? 1);
