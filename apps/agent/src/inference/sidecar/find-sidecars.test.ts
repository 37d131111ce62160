import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processesWith } from '../../testing/processes.ts';
import { referenceCommand } from '../../testing/reference-sidecar.ts';
import { temporaryFolders } from '../../testing/temporary-folder.ts';
import { findSidecars } from './find-sidecars.ts';

const makeFolder = temporaryFolders();
/** Words of its own, to find its processes by. */
const COMMAND = referenceCommand('--provider', 'found');
const REFERENCE = { runtime: 'tensorrt', formats: ['onnx'], command: COMMAND };
const says = (source: string) => ({ ...REFERENCE, command: [process.execPath, '-e', source] });

const folderOf = async (manifests: Readonly<Record<string, unknown>>): Promise<string> => {
  const folder = await makeFolder();
  for (const [name, manifest] of Object.entries(manifests)) {
    await writeFile(join(folder, name), typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
  }
  return folder;
};

describe('the sidecars of a board', () => {
  it('are those that say hello, and none of them goes on running', async () => {
    const folder = await folderOf({ 'a.json': REFERENCE, 'b.json': REFERENCE, 'notes.txt': 'no manifest' });
    const { proven, failed } = await findSidecars(folder);
    expect(failed).toEqual([]);
    expect(proven.map(({ manifest, hello }) => [manifest.name, hello.name, hello.runtime, hello.formats])).toEqual([
      ['a', 'reference', 'tensorrt', ['onnx']],
      ['b', 'reference', 'tensorrt', ['onnx']],
    ]);
    expect(proven[0]?.hello.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(processesWith(...COMMAND.slice(1))).toEqual([]);
  });

  it('are started in the folder of their manifest, with the variables that it names', async () => {
    const folder = await folderOf({
      'here.json': { ...says('process.exit(1)'), command: ['sh', 'here.sh'], environment: { WHERE: 'at home' } },
    });
    await writeFile(join(folder, 'here.sh'), 'echo "$WHERE in $(pwd)" >&2; exit 7');
    const { failed } = await findSidecars(folder);
    expect(failed).toEqual([
      { name: 'here', runtime: 'tensorrt', problem: `the sidecar ended (exit code 7): at home in ${folder}` },
    ]);
  });

  it.each<[string, unknown, RegExp, number?]>([
    ['ends', says(`console.error('no such library'); process.exit(2)`), /exit code 2\): no such library/],
    ['does not exist', { ...REFERENCE, command: ['/no/such/program'] }, /could not be started|exit code 127/],
    ['says nothing', says('setInterval(() => {}, 1000)'), /did not say hello within 1000 ms/, 1000],
    [
      'says something else',
      says(`require('node:fs').writeSync(3, 'HTTP/1.1 200 OK'); setInterval(() => {}, 1000)`),
      /no message/,
    ],
    [
      'runs something else',
      { ...REFERENCE, command: referenceCommand('--runtime', 'tflite') },
      /says that it runs tensorrt, and it says tflite/,
    ],
  ])('are not one that %s', async (_, manifest, problem, patienceMs) => {
    const { proven, failed } = await findSidecars(await folderOf({ 'x.json': manifest }), patienceMs);
    expect(proven).toEqual([]);
    expect(failed).toEqual([{ name: 'x', runtime: 'tensorrt', problem: expect.stringMatching(problem) }]);
  });

  it.each<[string, unknown, RegExp]>([
    ['is no JSON', 'runtime: tensorrt', /cannot be read/],
    ['names a runtime of the agent itself', { ...REFERENCE, runtime: 'onnxruntime' }, /runtime/],
    ['has no command', { ...REFERENCE, command: [] }, /command/],
    ['has a key that means nothing', { ...REFERENCE, comand: ['x'] }, /comand/],
  ])('are told of where a manifest %s', async (_, manifest, problem) => {
    const { failed } = await findSidecars(await folderOf({ 'x.json': manifest }));
    expect(failed).toEqual([{ name: 'x', runtime: undefined, problem: expect.stringMatching(problem) }]);
  });

  it('are none where there is no folder, or nothing in it', async () => {
    const none = { proven: [], failed: [] };
    expect(await findSidecars(null)).toEqual(none);
    expect(await findSidecars('/no/such/folder')).toEqual(none);
    const folder = await makeFolder();
    await mkdir(join(folder, 'empty'));
    expect(await findSidecars(join(folder, 'empty'))).toEqual(none);
  });
});
