import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseModelDefinition } from '@aviary/release';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { importModel } from './import-model.ts';

// Signed by Python's cryptography, after the specifications alone; see make.py there.
const FIXTURES = fileURLToPath(new URL('../../../../test/fixtures/oms/', import.meta.url));

describe.each(['p256', 'p384'])('importModel of what a key on %s has signed', (curve) => {
  let home: string;
  let directory: string;
  let out: string;
  let signer: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'aviary-import-'));
    directory = join(home, 'Meter Reader_v2');
    out = join(home, 'deep', 'imported');
    await cp(join(FIXTURES, curve), directory, { recursive: true });
    signer = await readFile(join(FIXTURES, `${curve}.pem`), 'utf8');
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const put = (path: string, content: string | Buffer) => writeFile(join(directory, path), content);
  /** Nothing may be there afterwards that was not there before. */
  const refusal = async (key = signer): Promise<string> => {
    const before = await readdir(home, { recursive: true });
    const error: unknown = await importModel(directory, key, out).catch((reason: unknown) => reason);
    expect(await readdir(home, { recursive: true })).toEqual(before);
    return error instanceof Error ? error.message : expect.unreachable();
  };

  it('brings the files to the byte, and the signature with its key', async () => {
    expect(await importModel(directory, signer, out)).toMatchObject({ name: curve, files: 3, definition: 'skeleton' });
    expect((await readdir(out, { recursive: true })).toSorted()).toEqual([
      'docs',
      'docs/README.md',
      'labels.txt',
      'model.onnx',
      'model.yaml',
      'provenance',
      'provenance/model.sig',
      'provenance/signer.pem',
    ]);
    for (const path of ['docs/README.md', 'labels.txt', 'model.onnx']) {
      expect(await readFile(join(out, path))).toEqual(await readFile(join(directory, path)));
    }
    expect(await readFile(join(out, 'provenance/model.sig'))).toEqual(await readFile(join(directory, 'model.sig')));
    expect(await readFile(join(out, 'provenance/signer.pem'), 'utf8')).toBe(signer);
    expect(await readdir(join(home, 'deep'))).toEqual(['imported']);
  });

  it('makes a model.yaml that lacks only what nobody could know', async () => {
    await importModel(directory, signer, out);
    const text = await readFile(join(out, 'model.yaml'), 'utf8');
    const complete = text.replace('width: 0', 'width: 2').replace('height: 0', 'height: 2');
    expect(parseModelDefinition(complete)).toMatchObject({
      name: 'meter-reader-v2',
      labels: 'labels.txt',
      variants: [{ id: 'onnx-fp32', file: 'model.onnx' }],
    });
    expect(() => parseModelDefinition(text)).toThrow('2 problems');
  });

  it('leaves out what is never signed', async () => {
    await mkdir(join(directory, '.git'));
    await put('.git/config', 'x');
    await put('.gitattributes', 'x');
    expect((await importModel(directory, signer, out)).files).toBe(3);
    expect((await readdir(out)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['a changed file', () => put('labels.txt', 'dark\nbrightest\n'), 'labels.txt was changed'],
    ['a missing file', () => rm(join(directory, 'docs/README.md')), 'docs/README.md was signed but is not there'],
    ['an added file', () => put('docs/more.txt', 'x'), 'docs/more.txt is there but was not signed'],
    ['a model.yaml that was added', () => put('model.yaml', 'x'), 'model.yaml is there but was not signed'],
    ['an added .git deeper down', () => put('docs/.gitignore', 'x'), 'docs/.gitignore is there but was not signed'],
    ['no signature', () => rm(join(directory, 'model.sig')), 'There is no model.sig'],
    ['a signature that is none', () => put('model.sig', '{}'), 'not an OMS bundle'],
    [
      'a link in place of a file, even to the same bytes',
      async () => {
        await cp(join(directory, 'labels.txt'), join(home, 'elsewhere'));
        await rm(join(directory, 'labels.txt'));
        await symlink(join(home, 'elsewhere'), join(directory, 'labels.txt'));
      },
      'labels.txt is a symbolic link',
    ],
    ['a link to a folder', () => symlink('/etc', join(directory, 'etc')), 'etc is a symbolic link'],
  ])('writes nothing with %s', async (_, change, words) => {
    await change();
    expect(await refusal()).toContain(words);
  });

  it('writes nothing when another key is trusted, or a list with paths that climb was signed by nobody', async () => {
    const other = await readFile(join(FIXTURES, `${curve === 'p256' ? 'p384' : 'p256'}.pem`), 'utf8');
    expect(await refusal(other)).toContain('not trusted here');
    const { dsseEnvelope, ...rest } = JSON.parse(await readFile(join(directory, 'model.sig'), 'utf8'));
    const payload = Buffer.from(dsseEnvelope.payload, 'base64').toString().replace('docs/README.md', '../../README');
    const climbing = { ...rest, dsseEnvelope: { ...dsseEnvelope, payload: Buffer.from(payload).toString('base64') } };
    await put('model.sig', JSON.stringify(climbing));
    expect(await refusal()).toContain('signature does not hold');
  });

  it('overwrites nothing', async () => {
    await mkdir(out, { recursive: true });
    await writeFile(join(out, 'precious'), 'x');
    expect(await refusal()).toContain('nothing is overwritten');
  });

  it('refuses what is no folder', async () => {
    await expect(importModel(join(home, 'nowhere'), signer, out)).rejects.toThrow('Expected a folder with a model');
    await expect(importModel(join(directory, 'labels.txt'), signer, out)).rejects.toThrow('Expected a folder');
  });
});
