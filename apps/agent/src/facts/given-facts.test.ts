import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXAMPLE_BOARDS, exampleFacts } from '@aviary/hardware';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { readFacts } from './given-facts.ts';

const makeFolder = temporaryFolders();

describe('facts in a file', () => {
  it.each(EXAMPLE_BOARDS)('of a %s that is played are marked so', async (board) => {
    const path = join(await makeFolder(), 'facts.json');
    await writeFile(path, JSON.stringify(exampleFacts(board)));
    expect(await readFacts(path)).toEqual({ ...exampleFacts(board), simulated: true });
  });

  it.each([
    ['{"arch":7}', /does not hold the facts of a device/],
    ['{', /cannot be read/],
  ])('are refused when the file holds %s', async (content, words) => {
    const path = join(await makeFolder(), 'facts.json');
    await writeFile(path, content);
    await expect(readFacts(path)).rejects.toMatchObject({
      code: 'facts-invalid',
      message: expect.stringMatching(words),
    });
    await expect(readFacts('/nowhere')).rejects.toMatchObject({ code: 'facts-invalid' });
  });
});
