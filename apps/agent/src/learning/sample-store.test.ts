import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeIdentity } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { floatBytes, type Sample } from './sample.ts';
import { openSampleStore } from './sample-store.ts';

const makeFolder = temporaryFolders();
const ageIdentity = generateAgeIdentity();
const backbone = (digit: string, features = 3) => ({ digest: digit.repeat(64), features });
const sample = (n: number, label = 'dark', features = 3): Sample => ({
  id: `abc-${n}`,
  label,
  at: 1_000 + n,
  features: Float32Array.from({ length: features }, (_, i) => n + i / 7),
});
const open = (folder: string, most = 100, identity = ageIdentity) =>
  openSampleStore(folder, { ageIdentity: identity }, most);
const filesOf = async (folder: string): Promise<string[]> => {
  const entries = await readdir(join(folder, 'samples'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
};
const segmentsOf = async (folder: string): Promise<string[]> =>
  (await filesOf(folder)).filter((path) => path.endsWith('.samples')).sort();

describe('the store of samples', () => {
  it('finds after a restart what it kept, bit by bit and in order', async () => {
    const folder = await makeFolder();
    const samples = await (await open(folder)).use(backbone('a'));
    for (let n = 0; n < 30; n += 1) await samples.append(sample(n, n % 3 === 0 ? 'light' : 'dark'));
    const again = await (await open(folder)).use(backbone('a'));
    expect(again.counts).toEqual({ samples: 30, perLabel: { light: 10, dark: 20 } });
    expect(await again.read()).toEqual(Array.from({ length: 30 }, (_, n) => sample(n, n % 3 === 0 ? 'light' : 'dark')));
  });

  it('takes a later label of the same frame as a correction', async () => {
    const samples = await (await open(await makeFolder())).use(backbone('a'));
    for (const n of [1, 2]) await samples.append(sample(n));
    await samples.append(sample(1, 'light'));
    expect(samples.counts).toEqual({ samples: 2, perLabel: { dark: 1, light: 1 } });
    expect([samples.labelOf('abc-1'), samples.labelOf('abc-2'), samples.labelOf('abc-3')]).toEqual([
      'light',
      'dark',
      undefined,
    ]);
    expect((await samples.read()).map(({ id }) => id)).toEqual(['abc-2', 'abc-1']);
  });

  it.each([1, 2, 8, 20, 50])('keeps at most %i, the newest ones', async (most) => {
    const folder = await makeFolder();
    const samples = await (await open(folder, most)).use(backbone('a'));
    for (let n = 0; n < 130; n += 1) {
      await samples.append(sample(n));
      expect(samples.counts.samples).toBeLessThanOrEqual(most);
    }
    const kept = (await samples.read()).map(({ id }) => Number(id.slice(4)));
    expect(kept.at(-1)).toBe(129);
    expect(kept).toEqual(kept.map((_, i) => 130 - kept.length + i));
    expect(kept.length).toBeGreaterThan(most * 0.75 - 1);
    expect((await segmentsOf(folder)).length).toBeLessThanOrEqual(9);
  });

  it('leaves nothing on the disk that can be read without the key of the device', async () => {
    const folder = await makeFolder();
    const samples = await (await open(folder)).use(backbone('a', 16));
    for (let n = 0; n < 20; n += 1) await samples.append(sample(n, 'a-label-of-its-own', 16));
    const paths = await filesOf(folder);
    expect(paths.length).toBeGreaterThanOrEqual(2);
    for (const path of paths) {
      const content = await readFile(path);
      for (let n = 0; n < 20; n += 1) {
        const { features, id } = sample(n, '', 16);
        for (let i = 0; i < 16; i += 1) expect(content.includes(floatBytes(features.subarray(i, i + 2)))).toBe(false);
        expect(content.includes(`${id}`)).toBe(false);
      }
      expect(content.includes('a-label')).toBe(false);
    }
    const stranger = await (await open(folder, 100, generateAgeIdentity())).use(backbone('a', 16));
    expect(stranger.counts.samples).toBe(0);
  });

  it('loses nothing but the record that a crash has torn, wherever it was torn', async () => {
    const folder = await makeFolder();
    const samples = await (await open(folder)).use(backbone('a'));
    for (const n of [1, 2]) await samples.append(sample(n));
    const [path = ''] = await segmentsOf(folder);
    const whole = await readFile(path);
    await samples.append(sample(3, 'a longer label, so that a shorter record does not cover what is left'));
    const torn = await readFile(path);
    for (let length = whole.length; length < torn.length; length += 1) {
      await writeFile(path, torn);
      await truncate(path, length);
      const after = await (await open(folder)).use(backbone('a'));
      expect(after.counts.samples).toBe(2);
      await after.append(sample(4, 'x'));
      const ids = (await (await (await open(folder)).use(backbone('a'))).read()).map(({ id }) => id);
      expect(ids).toEqual(['abc-1', 'abc-2', 'abc-4']);
    }
  });

  it('leaves out a record that was changed, or comes from another place', async () => {
    const folder = await makeFolder();
    const samples = await (await open(folder)).use(backbone('a'));
    for (const n of [1, 2, 3]) await samples.append(sample(n));
    const [path = ''] = await segmentsOf(folder);
    const content = await readFile(path);
    const length = content.length / 3;
    const changed = Buffer.from(content);
    changed[length + 30] = (changed[length + 30] ?? 0) ^ 1;
    await writeFile(path, changed);
    const ids = async () => (await (await (await open(folder)).use(backbone('a'))).read()).map(({ id }) => id);
    expect(await ids()).toEqual(['abc-1', 'abc-3']);
    await writeFile(path, content);
    await appendFile(path, content.subarray(0, length));
    expect(await ids()).toEqual(['abc-1', 'abc-2', 'abc-3']);
  });

  it('keeps the samples of the last two backbones', async () => {
    const folder = await makeFolder();
    const store = await open(folder);
    for (const digit of ['a', 'b', 'a', 'c']) await (await store.use(backbone(digit))).append(sample(1));
    expect((await (await open(folder)).count()).map(({ digest, samples }) => [digest[0], samples])).toEqual([
      ['c', 1],
      ['a', 1],
    ]);
    expect((await store.use(backbone('b'))).counts.samples).toBe(0);
    expect((await readdir(join(folder, 'samples'))).sort()).toEqual(['backbones.json', 'c'.repeat(64)]);
  });

  it('keeps nothing of what the disk did not take', async () => {
    const folder = await makeFolder();
    const samples = await (await open(folder)).use(backbone('a'));
    await writeFile(join(folder, 'samples', backbone('a').digest), 'in the way');
    await expect(samples.append(sample(1))).rejects.toThrow();
    expect(samples.counts.samples).toBe(0);
    expect(samples.labelOf('abc-1')).toBeUndefined();
  });
});
