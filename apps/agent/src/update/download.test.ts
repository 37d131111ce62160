import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Answer, blobServers, wholeFile } from '../testing/blob-server.ts';
import { sha256Of } from '../testing/releases.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { type Download, download, failureCodeOf } from './download.ts';
import { DownloadCorruptError, DownloadInterruptedError } from './reception.ts';

const makeFolder = temporaryFolders();
const serve = blobServers();
const content = randomBytes(300_000);
const sha256 = sha256Of(content);

/** What a download of `content` needs, from a server that answers so. */
const prepare = async (answer: Answer, change: Partial<Download> = {}) => {
  const path = join(await makeFolder(), sha256);
  const { asked, open } = await serve(answer);
  const { signal } = new AbortController();
  const wanted: Download = { path, length: content.length, sha256, open, signal, patienceMs: 30_000, ...change };
  return { path, part: `${path}.part`, asked, open, wanted };
};

describe('a download', () => {
  it('is there under its name when it is whole, and only then', async () => {
    const { path, part, asked, wanted } = await prepare(wholeFile(content));
    await download(wanted);
    expect(await readFile(path)).toEqual(content);
    expect(existsSync(part)).toBe(false);
    expect(asked).toEqual(['']);
  });

  it('asks for nothing when it is there already', async () => {
    const { path, asked, wanted } = await prepare(wholeFile(content));
    await writeFile(path, content);
    await download(wanted);
    expect(asked).toEqual([]);
  });

  it('is made anew when what lies there was damaged', async () => {
    const { path, wanted } = await prepare(wholeFile(content));
    await writeFile(path, Buffer.alloc(content.length));
    await download(wanted);
    expect(await readFile(path)).toEqual(content);
  });

  it('goes on where it stopped', async () => {
    const { path, part, asked, wanted } = await prepare(wholeFile(content));
    await writeFile(part, content.subarray(0, 100_000));
    await download(wanted);
    expect(asked).toEqual(['bytes=100000-']);
    expect(await readFile(path)).toEqual(content);
  });

  it('asks for nothing when only the renaming was missing', async () => {
    const { path, part, asked, wanted } = await prepare(wholeFile(content));
    await writeFile(part, content);
    await download(wanted);
    expect(asked).toEqual([]);
    expect(await readFile(path)).toEqual(content);
  });

  it('begins anew with a source that knows no ranges', async () => {
    const { path, part, asked, wanted } = await prepare((response) => response.end(content));
    await writeFile(part, randomBytes(100_000));
    await download(wanted);
    expect(asked).toEqual(['bytes=100000-']);
    expect(await readFile(path)).toEqual(content);
  });

  it('begins anew when there is more than was signed', async () => {
    const { path, part, asked, wanted } = await prepare(wholeFile(content));
    await writeFile(part, Buffer.alloc(content.length + 1));
    await download(wanted);
    expect(asked).toEqual(['']);
    expect(await readFile(path)).toEqual(content);
  });

  it('keeps what came when the server dies in the middle, and goes on from there', async () => {
    let deaths = 0;
    const {
      path: file,
      part,
      wanted,
    } = await prepare((response, start, path) => {
      if (deaths === 3) return wholeFile(content)(response, start, path);
      deaths += 1;
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': content.length - start,
        'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
      });
      response.write(content.subarray(start, start + 50_000), () => setTimeout(() => response.destroy(), 20));
    });
    for (const reached of [50_000, 100_000, 150_000]) {
      await expect(download(wanted)).rejects.toBeInstanceOf(DownloadInterruptedError);
      expect(await readFile(part)).toEqual(content.subarray(0, reached));
      expect(existsSync(file)).toBe(false);
    }
    await download(wanted);
    expect(await readFile(file)).toEqual(content);
  });

  it('keeps what came from a source that ends too early without a word', async () => {
    const { part, wanted } = await prepare((response) => response.end(content.subarray(0, 1_000)));
    await expect(download(wanted)).rejects.toMatchObject({
      code: 'download-interrupted',
      message: 'the source ended after 1000 of 300000 bytes',
    });
    expect(await readFile(part)).toEqual(content.subarray(0, 1_000));
  });

  it('takes no byte more than was signed, from an endless source either', async () => {
    const { path, part, wanted } = await prepare((response) => {
      const more = (): void => {
        if (!response.destroyed) response.write(content, () => setImmediate(more));
      };
      more();
    });
    await expect(download(wanted)).rejects.toMatchObject({ code: 'download-corrupt' });
    expect(existsSync(part)).toBe(false);
    expect(existsSync(path)).toBe(false);
  });

  it('throws away what has another digest, and says both', async () => {
    const other = randomBytes(content.length);
    const { path, part, wanted } = await prepare(wholeFile(other));
    const failed = download(wanted);
    await expect(failed).rejects.toBeInstanceOf(DownloadCorruptError);
    await expect(failed).rejects.toThrow(sha256);
    await expect(failed).rejects.toThrow(sha256Of(other));
    expect(existsSync(part)).toBe(false);
    expect(existsSync(path)).toBe(false);
  });

  it('does not blame the source when what was left of an earlier try was damaged', async () => {
    const { path, part, asked, wanted } = await prepare(wholeFile(content));
    // A power cut may leave a file of its length without its content.
    await writeFile(part, Buffer.alloc(100_000));
    await expect(download(wanted)).rejects.toBeInstanceOf(DownloadInterruptedError);
    expect(existsSync(part)).toBe(false);
    await download(wanted);
    expect(asked).toEqual(['bytes=100000-', '']);
    expect(await readFile(path)).toEqual(content);
  });

  it.each([403, 404, 416, 500, 503])('is tried again later when the source refuses with %i', async (status) => {
    const { part, wanted } = await prepare((response) => response.writeHead(status).end('no'));
    await writeFile(part, content.subarray(0, 10));
    await expect(download(wanted)).rejects.toBeInstanceOf(DownloadInterruptedError);
    expect(await readFile(part)).toEqual(content.subarray(0, 10));
  });

  it('refuses a range that was not asked for', async () => {
    const { part, wanted } = await prepare((response) => {
      response.writeHead(206, { 'content-range': `bytes 0-${content.length - 1}/${content.length}` }).end(content);
    });
    await writeFile(part, content.subarray(0, 10));
    await expect(download(wanted)).rejects.toThrow('expected the bytes from 10 on, the source offers "bytes 0-');
    expect(await readFile(part)).toEqual(content.subarray(0, 10));
  });

  it('ends at once when it is told to, and keeps what came', async () => {
    const controller = new AbortController();
    const { part, wanted } = await prepare(
      (response) => response.write(content.subarray(0, 5_000), () => setTimeout(() => controller.abort(), 20)),
      { signal: controller.signal },
    );
    await expect(download(wanted)).rejects.toBeInstanceOf(DownloadInterruptedError);
    expect(await readFile(part)).toEqual(content.subarray(0, 5_000));
  });

  it('is not even begun when it was told to end before', async () => {
    const { wanted } = await prepare(wholeFile(content), { signal: AbortSignal.abort() });
    await expect(download(wanted)).rejects.toBeInstanceOf(DownloadInterruptedError);
  });

  it('gives up a source that sends nothing, before and after its headers', async () => {
    for (const answer of [() => undefined, (response) => response.flushHeaders()] as Answer[]) {
      const { wanted } = await prepare(answer, { patienceMs: 50 });
      await expect(download(wanted)).rejects.toBeInstanceOf(DownloadInterruptedError);
    }
  });

  it('gives up a source that sends a few bytes now and then', async () => {
    const { wanted } = await prepare(
      (response) => {
        const timer = setInterval(() => response.write('.'), 20);
        response.once('close', () => clearInterval(timer));
      },
      { patienceMs: 200 },
    );
    await expect(download(wanted)).rejects.toThrow(/too slow|aborted/);
  });

  it('lets the disk speak for itself: full, or not to be written', async () => {
    const full = await prepare(wholeFile(content));
    await symlink('/dev/full', full.part);
    await expect(download(full.wanted)).rejects.toMatchObject({ code: 'ENOSPC' });
    const odd = await prepare(wholeFile(content));
    await mkdir(odd.part);
    await expect(download(odd.wanted)).rejects.toMatchObject({ code: 'EISDIR' });
    const [noRoom, noFile] = await Promise.all(
      [full, odd].map(({ wanted }) => download(wanted).catch((error: unknown) => failureCodeOf(error))),
    );
    expect([noRoom, noFile]).toEqual(['disk-full', 'disk-failed']);
  });

  it('is tried again later when nobody listens', async () => {
    const { wanted } = await prepare(wholeFile(content));
    const open: Download['open'] = async () => {
      throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED', syscall: 'connect' });
    };
    await expect(download({ ...wanted, open })).rejects.toThrow('connect ECONNREFUSED');
    await expect(download({ ...wanted, open })).rejects.toBeInstanceOf(DownloadInterruptedError);
  });
});
