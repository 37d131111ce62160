import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OptionsFileError, readOptionsFile } from './options-file.ts';
import { temporaryFolders } from './testing/temporary-folder.ts';

const makeFolder = temporaryFolders();
const OPTIONS = { source: { type: 'string' }, fps: { type: 'string' }, learn: { type: 'boolean' } } as const;

const read = async (...lines: string[]) => {
  const path = join(await makeFolder(), 'agent.conf');
  await writeFile(path, lines.join('\n'));
  return readOptionsFile(path, OPTIONS);
};

describe('a file of options', () => {
  it('is read as words of a command line', async () => {
    expect(await read('# pictures', '', 'source = dir:/srv/a folder = b', '  fps=5  ', 'learn', '#learn')).toEqual([
      '--source=dir:/srv/a folder = b',
      '--fps=5',
      '--learn',
    ]);
    expect(await read('')).toEqual([]);
  });

  it.each([
    ['frames = 5', 'with an option of aviary-agent'],
    ['--fps = 5', 'without its dashes'],
    ['constructor = 1', 'with an option of aviary-agent'],
    ['fps', '"fps = value"'],
    ['fps =', '"fps = value"'],
    ['learn = yes', '"learn" alone'],
    ['fps 5', '"name = value"'],
  ])('says what is wrong with "%s"', async (line, expected) => {
    const reading = read('learn', line);
    await expect(reading).rejects.toThrow(OptionsFileError);
    await expect(reading).rejects.toThrow(/agent\.conf, line 2: expected .*got /);
    await expect(reading).rejects.toThrow(expected);
  });

  it('that is missing is named', () => {
    expect(() => readOptionsFile('/nowhere/agent.conf', OPTIONS)).toThrow('/nowhere/agent.conf');
  });
});
