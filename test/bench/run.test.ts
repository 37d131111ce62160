import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const RUN = join(import.meta.dirname, 'run.ts');
/** Files here that are no bench. */
const OTHERS = new Set(['run.ts', 'run.test.ts', 'harness.ts']);

const run = async (...names: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ['--conditions=aviary-source', RUN, ...names]).then(
    (said) => ({ code: 0, ...said }),
    (error) => error,
  );

it('without a name the benches are told, which all load', async () => {
  const entries = await readdir(import.meta.dirname, { withFileTypes: true });
  const benches = entries.filter((entry) => entry.isFile() && !OTHERS.has(entry.name)).map(({ name }) => name);
  const { code, stderr } = await run();
  expect(code).toBe(2);
  for (const bench of benches) expect(stderr).toMatch(new RegExp(`^  ${bench.slice(0, -3)}: \\S`, 'm'));
});

it('with one name that is none, nothing is measured', async () => {
  expect(await run('preprocess', 'postprocess')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^Expected names of benches after npm run bench --, got "postprocess"\.$/m),
  });
});
