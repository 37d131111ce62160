import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../attacks/mutations.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// That the attack gets through without it: `npm run test:full -- mutations`, which takes long.
describe('a check that can be taken out', () => {
  it.each(MUTATIONS)('stands where it is said: $removes', async ({ file, edit: [check] }) => {
    const text = await readFile(`${ROOT}${file}`, 'utf8');
    expect(text.split(check)).toHaveLength(2);
  });
});
