import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadAdminToken } from './admin-token.ts';

it('an empty admin token does not open the door to everybody', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'aviary-access-'));
  try {
    expect(await loadAdminToken(directory)).toMatch(/^[\w-]{43}$/);
    await writeFile(join(directory, 'admin.token'), '\n');
    await expect(loadAdminToken(directory)).rejects.toMatchObject({
      code: 'admin-token',
      message: expect.stringMatching(/admin\.token.*Remove it/),
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
