import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const RUN = join(import.meta.dirname, 'run.ts');
/** Files here that are no bench. */
const OTHERS = new Set(['run.ts', 'run.test.ts', 'harness.ts']);

it('without a name the benches are told, which all load', async () => {
  const entries = await readdir(import.meta.dirname, { withFileTypes: true });
  const benches = entries.filter((entry) => entry.isFile() && !OTHERS.has(entry.name)).map(({ name }) => name);
  const failed = await promisify(execFile)(process.execPath, ['--conditions=aviary-source', RUN]).catch(
    (error) => error,
  );
  expect(failed.code).toBe(2);
  for (const bench of benches) expect(failed.stderr).toMatch(new RegExp(`^  ${bench.slice(0, -3)}: \\S`, 'm'));
});
