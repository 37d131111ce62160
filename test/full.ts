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

const given = process.argv.slice(2);
const firstOption = given.findIndex((one) => one.startsWith('-'));
const wanted = firstOption < 0 ? given : given.slice(0, firstOption);
const options = given.slice(wanted.length);
const unknown = wanted.find((name) => !names.includes(name));
if (wanted.length === 0 || unknown !== undefined) {
  const got = unknown === undefined ? 'none' : `"${unknown}"`;
  process.stderr.write(`Expected names of tests, got ${got}.\n  npm run test:full -- ${names.join(' | ')}\n`);
  process.exit(2);
}
const vitest = join(ROOT, 'node_modules/.bin/vitest');
const files = wanted.map((name) => `test/full/${name}${SUFFIX}`);
const { status } = spawnSync(vitest, ['run', '--config', 'vitest.full.config.ts', ...files, ...options], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exit(status ?? 1);
