import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDigits, PIXELS, SIDE } from './digits.ts';
import { writeFieldPictures } from './field-pictures.ts';
import { writePictures } from './pictures.ts';

describe('pictures on disk', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aviary-pictures-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const labelsOf = async (folder: string): Promise<Map<string, string>> => {
    const [header, ...lines] = (await readFile(join(folder, 'labels.csv'), 'utf8')).trim().split('\n');
    expect(header).toBe('file,label');
    return new Map(lines.map((line) => line.split(',') as [string, string]));
  };

  it('are PNG files of the ink, each with its label', async () => {
    const folder = join(directory, 'digits');
    const ramp = Float32Array.from({ length: PIXELS }, (_, index) => index / (PIXELS - 1));
    await writePictures(folder, [
      { label: 3, pixels: ramp },
      { label: 7, pixels: new Float32Array(PIXELS) },
    ]);
    expect(await labelsOf(folder)).toEqual(
      new Map([
        ['0000.png', '3'],
        ['0001.png', '7'],
      ]),
    );
    const { data, info } = await sharp(join(folder, '0000.png'))
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: SIDE, height: SIDE, channels: 1 });
    expect(Math.max(...data.map((value, index) => Math.abs(value - (ramp[index] ?? 0) * 255)))).toBeLessThanOrEqual(
      0.5,
    );
  });

  it('show each device digits of its own', async () => {
    const sets = await loadDigits();
    const [one, other] = [join(directory, 'one'), join(directory, 'other')];
    const seen = { devices: 2, perDevice: 20, range: [0, 20], light: 'lit', prefix: '' } as const;
    await writeFieldPictures(one, sets, { device: 0, ...seen });
    await writeFieldPictures(other, sets, { device: 1, ...seen });
    expect((await readdir(one)).length).toBe(21);
    const labels = await labelsOf(other);
    expect([...labels.keys()].sort().map((file) => labels.get(file))).toEqual(
      sets.heldOut.slice(20, 40).map(({ label }) => String(label)),
    );
  });

  it('show the same digits in the dark, under names of their own', async () => {
    const sets = await loadDigits();
    const [lit, dark] = [join(directory, 'lit'), join(directory, 'dark')];
    const place = { device: 1, devices: 2, perDevice: 20, range: [5, 15] } as const;
    await writeFieldPictures(lit, sets, { ...place, light: 'lit', prefix: 'a-' });
    await writeFieldPictures(dark, sets, { ...place, light: 'dark', prefix: 'b-' });
    const labels = [...(await labelsOf(dark))].sort().map(([, label]) => label);
    expect(labels).toEqual([...(await labelsOf(lit))].sort().map(([, label]) => label));
    expect(labels).toEqual(sets.heldOut.slice(25, 35).map(({ label }) => String(label)));
    const brightness = async (file: string) => (await sharp(file).stats()).channels[0]?.mean ?? 0;
    expect(await brightness(join(dark, 'b-0000.png'))).toBeLessThan(await brightness(join(lit, 'a-0000.png')));
  });

  it('are refused for a device for which no digits are left', async () => {
    const writing = writeFieldPictures(join(directory, 'none'), await loadDigits(), {
      device: 9,
      devices: 10,
      perDevice: 300,
      range: [0, 300],
      light: 'lit',
      prefix: '',
    });
    await expect(writing).rejects.toThrow('expected 300 held-out digits for device 9');
  });
});
