import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const FOLDER = import.meta.dirname;

it('the table of attacks names every attack that is tried, and where', async () => {
  const page = await readFile(join(FOLDER, '../../docs/threat-model.md'), 'utf8');
  const rows = [...page.matchAll(/^\| ([^|]+?) \|.*\| (`[^|]+`) \|$/gm)];
  const named = rows.flatMap(([, attack, files = '']) =>
    [...files.matchAll(/`([^`]+)`/g)].map(([, file]) => `${attack}: ${file}`),
  );
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.test.ts') && name !== 'threat-model.test.ts');
  const tried = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(FOLDER, file), 'utf8');
      return [...text.matchAll(/^describe\('([^']+)'/gm)].map(([, attack]) => `${attack}: ${file.slice(0, -8)}`);
    }),
  );
  expect(named.sort()).toEqual(tried.flat().sort());
  expect(rows.length).toBeGreaterThanOrEqual(16);
});
