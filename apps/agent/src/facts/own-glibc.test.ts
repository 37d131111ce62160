import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { findOwnGlibc } from './own-glibc.ts';

it('tells the version that the C library itself tells, and that Node reports', async () => {
  const version = await findOwnGlibc();
  expect(version).toMatch(/^\d+\.\d+$/);
  expect(execFileSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' })).toBe(`glibc ${version}\n`);
  Object.assign(process.report, { excludeNetwork: true });
  expect(process.report.getReport()).toMatchObject({ header: { glibcVersionRuntime: version } });
});
