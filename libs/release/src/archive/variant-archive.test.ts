import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { extract, type Header, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { packArchive, readArchive } from './variant-archive.ts';

const run = promisify(execFile);
const bytes = (text: string) => Buffer.from(text);

const files = new Map([
  ['model.onnx', Buffer.alloc(1500, 7)],
  ['manifest.json', bytes('{}\n')],
  ['acceptance/b.png', bytes('b')],
  ['acceptance/a.png', bytes('a')],
  ['empty', Buffer.alloc(0)],
]);

async function handmade(...entries: { header: Partial<Header> & { name: string }; body?: string }[]): Promise<Buffer> {
  const archive = pack();
  for (const { header, body } of entries) archive.entry(header, body ?? '');
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

describe('archive', () => {
  it('comes back, sorted by name', async () => {
    const back = await readArchive(await packArchive(files));
    expect([...back.keys()]).toEqual(['acceptance/a.png', 'acceptance/b.png', 'empty', 'manifest.json', 'model.onnx']);
    for (const [name, content] of files) expect(back.get(name)).toEqual(content);
  });

  it('has the same bytes for the same files in any order', async () => {
    const reversed = new Map([...files].reverse());
    expect((await packArchive(reversed)).equals(await packArchive(files))).toBe(true);
  });

  it('is read however the stream is cut', async () => {
    const tar = await packArchive(files);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3000 }), async (size) => {
        const stream = (async function* () {
          for (let offset = 0; offset < tar.length; offset += size) yield tar.subarray(offset, offset + size);
        })();
        expect((await readArchive(stream)).get('model.onnx')).toEqual(files.get('model.onnx'));
      }),
      { numRuns: 20 },
    );
  });

  it('is unpacked by tar, long names and others than ASCII too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'aviary-archive-'));
    try {
      const long = `acceptance/${'long-name-'.repeat(18)}é.png`;
      await writeFile(join(folder, 'a.tar'), await packArchive(new Map([...files, [long, bytes('long')]])));
      await run('tar', ['-xf', 'a.tar'], { cwd: folder });
      expect(await readFile(join(folder, 'model.onnx'))).toEqual(files.get('model.onnx'));
      expect(await readFile(join(folder, long), 'utf8')).toBe('long');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('has nobody, 1970 and mode 0644 in every header, and no user names', async () => {
    const entries = extract();
    entries.end(await packArchive(files));
    let count = 0;
    for await (const entry of entries) {
      expect(entry.header).toMatchObject({
        uid: 0,
        gid: 0,
        mode: 0o644,
        mtime: new Date(0),
        type: 'file',
        uname: '',
        gname: '',
      });
      entry.resume();
      count++;
    }
    expect(count).toBe(files.size);
  });

  it.each(['/etc/passwd', '../up', 'a/../../up', 'a//b', './a', 'a/', 'a\\b', 'a\nb', '', '.', '..'])(
    'refuses to pack %j',
    async (name) => {
      await expect(packArchive(new Map([[name, bytes('x')]]))).rejects.toMatchObject({ code: 'archive-path-refused' });
    },
  );

  it.each(['/etc/passwd', '../up', 'a/../../up', 'a//b', './a', 'a\\b'])('refuses to read %j', async (name) => {
    const tar = await handmade({ header: { name }, body: 'x' });
    await expect(readArchive(tar)).rejects.toMatchObject({ code: 'archive-path-refused' });
  });

  it.each(['symlink', 'link', 'directory', 'fifo', 'character-device', 'block-device'] as const)(
    'refuses a %s',
    async (type) => {
      const tar = await handmade({ header: { name: 'x', type, linkname: 'y' } });
      await expect(readArchive(tar)).rejects.toMatchObject({ code: 'archive-entry-refused' });
    },
  );

  it('refuses a name that is there twice', async () => {
    const tar = await handmade({ header: { name: 'x' }, body: '1' }, { header: { name: 'x' }, body: '2' });
    await expect(readArchive(tar)).rejects.toMatchObject({ code: 'archive-entry-refused' });
  });

  it.each([
    ['too many files', { maxEntries: 4, maxEntryBytes: 10_000, maxTotalBytes: 10_000 }],
    ['too large a file', { maxEntries: 5, maxEntryBytes: 1499, maxTotalBytes: 10_000 }],
    ['too much in all', { maxEntries: 5, maxEntryBytes: 10_000, maxTotalBytes: 1504 }],
  ])('refuses %s', async (_, limits) => {
    await expect(readArchive(await packArchive(files), limits)).rejects.toMatchObject({ code: 'archive-too-large' });
  });

  it('takes exactly what the limits allow', async () => {
    const limits = { maxEntries: 5, maxEntryBytes: 1500, maxTotalBytes: 1505 };
    expect((await readArchive(await packArchive(files), limits)).size).toBe(5);
  });

  it('refuses a cut archive and other bytes', async () => {
    const tar = await packArchive(files);
    await expect(readArchive(tar.subarray(0, tar.length - 2048))).rejects.toMatchObject({ code: 'archive-malformed' });
    await expect(readArchive(Buffer.alloc(2048, 1))).rejects.toMatchObject({ code: 'archive-malformed' });
  });

  it('passes on the error of its source, even one after the last file', async () => {
    const tar = await packArchive(files);
    const source = (async function* () {
      yield tar;
      throw Object.assign(new Error('not authentic'), { code: 'age-payload-tampered' });
    })();
    await expect(readArchive(source)).rejects.toMatchObject({ code: 'age-payload-tampered' });
  });
});
