import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unpackArchive } from './unpack-archive.ts';
import { packArchive } from './variant-archive.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const files = new Map([
  ['acceptance/a.png', Buffer.from('picture')],
  ['model.onnx', Buffer.alloc(600_000, 7)],
]);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-unpack-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += 10_000) yield bytes.subarray(start, start + 10_000);
}

describe('an archive', () => {
  it.each(['into a folder', 'without writing it'])('is unpacked %s, with the digest of each file', async (how) => {
    const tar = await packArchive(files);
    const out = how === 'into a folder' ? join(folder, 'out') : undefined;
    const unpacked = await unpackArchive(inPieces(tar), out, ['acceptance/a.png']);
    expect(unpacked.digest).toBe(sha256(tar));
    expect([...unpacked.files]).toEqual([...files].map(([name, bytes]) => [name, sha256(bytes)]));
    expect(unpacked.kept).toEqual(new Map([['acceptance/a.png', Buffer.from('picture')]]));
    if (out === undefined) expect(await readdir(folder)).toEqual([]);
    else expect((await readFile(join(out, 'model.onnx'))).equals(files.get('model.onnx') ?? Buffer.of())).toBe(true);
  });

  it('is never written over what is there', async () => {
    const tar = await packArchive(files);
    await unpackArchive(inPieces(tar), folder, []);
    await expect(unpackArchive(inPieces(tar), folder, [])).rejects.toMatchObject({ code: 'unpacked-file' });
  });
});
