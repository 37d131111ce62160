import { writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { EXAMPLE_BOARDS, exampleFacts } from '@aviary/hardware';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { AGENT_VERSION } from '../version.ts';
import { detectFacts, readFacts } from './detect-facts.ts';

const makeFolder = temporaryFolders();

describe('the facts of a board', () => {
  it('are found on this machine, whatever it is', async () => {
    const facts = await detectFacts(await makeFolder());
    expect(facts).toMatchObject({ agentVersion: AGENT_VERSION, arch: arch(), cpu: { cores: expect.any(Number) } });
    expect(facts.memoryMB).toBeGreaterThan(0);
    expect(facts.diskFreeMB).toBeGreaterThan(0);
    expect(facts.runtimes[0]).toMatchObject({ name: 'onnxruntime', providers: expect.arrayContaining(['cpu']) });
    expect(facts).not.toHaveProperty('simulated');
  });

  it('are found without a disk that can be asked', async () => {
    expect((await detectFacts('/nowhere')).diskFreeMB).toBeUndefined();
  });

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
