import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { blobServers, wholeFile } from '../testing/blob-server.ts';
import { sha256Of } from '../testing/releases.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { type Download, download } from '../update/download.ts';
import { DownloadLimit } from './download-limit.ts';

const makeFolder = temporaryFolders();
const serve = blobServers();
const RATE = 10_000;
const { signal } = new AbortController();
const nobody = { hold: () => undefined, goOn: () => undefined };

/** A limit whose time passes only while somebody waits for it, or when it is told to. */
const virtualLimit = (bytesPerSecond = RATE) => {
  let now = 0;
  const pass = (ms: number): void => {
    now += ms;
  };
  const limit = new DownloadLimit(bytesPerSecond, { now: () => now, sleep: async (ms) => pass(ms) });
  return { limit, pass, now: () => now };
};

describe('the limit of downloads', () => {
  it('lets a burst of one second through, and then as much as a second has', async () => {
    const { limit, now } = virtualLimit();
    await limit.take(RATE, signal, nobody);
    expect(now()).toBe(0);
    for (let second = 1; second <= 5; second += 1) {
      await limit.take(RATE / 2, signal, nobody);
      await limit.take(RATE / 2, signal, nobody);
      expect(now()).toBeCloseTo(second * 1000);
    }
  });

  it('saves up no more than one second', async () => {
    const { limit, pass, now } = virtualLimit();
    pass(3_600_000);
    await limit.take(RATE, signal, nobody);
    expect(now()).toBe(3_600_000);
    await limit.take(RATE, signal, nobody);
    expect(now()).toBeCloseTo(3_601_000);
  });

  it('makes the whole wait for a piece that is larger than a burst', async () => {
    const { limit, now } = virtualLimit();
    await limit.take(5 * RATE, signal, nobody);
    expect(now()).toBeCloseTo(4_000);
  });

  it('is shared by those who take from it', async () => {
    const waits: number[] = [];
    const limit = new DownloadLimit(RATE, { now: () => 0, sleep: async (ms) => void waits.push(ms) });
    for (let i = 0; i < 3; i += 1) await limit.take(RATE, signal, nobody);
    // Nobody has waited yet by this clock: each stands behind those before it.
    expect(waits).toEqual([1_000, 2_000]);
  });

  it('says when it holds back, and that it does not any more when it is broken off', async () => {
    const said: string[] = [];
    const told = { hold: () => void said.push('hold'), goOn: () => void said.push('go on') };
    const limit = new DownloadLimit(RATE);
    const controller = new AbortController();
    const taking = limit.take(100 * RATE, controller.signal, told);
    expect(said).toEqual(['hold']);
    controller.abort(new Error('enough'));
    await expect(taking).rejects.toThrow();
    expect(said).toEqual(['hold', 'go on']);
  });
});

describe('a download under a limit', () => {
  const content = randomBytes(400_000);
  const sha256 = sha256Of(content);
  const prepare = async (change: Partial<Download>, answer = wholeFile(content)) => {
    const path = join(await makeFolder(), sha256);
    const { asked, open } = await serve(answer);
    return {
      path,
      asked,
      wanted: { path, length: content.length, sha256, open, signal, patienceMs: 30_000, ...change },
    };
  };

  it('comes at its rate, whatever the server could send', async () => {
    let now = 0;
    let received = 0;
    const seen: { readonly at: number; readonly bytes: number }[] = [];
    const sleep = async (ms: number): Promise<void> => {
      seen.push({ at: now, bytes: received });
      now += ms;
    };
    const limit = new DownloadLimit(RATE, { now: () => now, sleep });
    const take = limit.take.bind(limit);
    limit.take = (bytes, ...rest) => {
      received += bytes;
      return take(bytes, ...rest);
    };
    const { path, wanted } = await prepare({ limit });
    await download(wanted);
    expect(await readFile(path)).toEqual(content);
    expect(received).toBe(content.length);
    // A burst of one second at the beginning; all else has waited for its time.
    expect(now).toBeCloseTo((content.length / RATE - 1) * 1000);
    // At no time was there more than the rate, that burst, and the one piece that just came.
    const largestPiece = 64 * 1024;
    for (const { at, bytes } of seen) expect(bytes).toBeLessThanOrEqual(RATE * (at / 1000 + 1) + largestPiece);
    expect(seen.length).toBeGreaterThan(3);
  });

  it('is not given up as one from a slow source, and goes on where it stopped', async () => {
    const patienceMs = 2_000;
    let holds = 0;
    const sleep = async (): Promise<void> => {
      holds += 1;
      // The first time it does not read for longer than a source may be silent.
      if (holds === 1) await pause(1.25 * patienceMs);
    };
    const limit = new DownloadLimit(RATE, { now: () => 0, sleep });
    const { path, wanted } = await prepare({ limit, patienceMs });
    await download(wanted);
    expect(holds).toBeGreaterThan(1);
    expect(await readFile(path)).toEqual(content);
  });

  it('is given up as before when the source sends nothing any more', async () => {
    const limit = new DownloadLimit(1_000_000);
    const { wanted } = await prepare(
      { limit, patienceMs: 60 },
      (response) => void response.write(content.subarray(0, 9)),
    );
    await expect(download(wanted)).rejects.toThrow(/too slow|aborted/);
  });
});
