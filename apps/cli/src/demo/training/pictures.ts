import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Digit, SIDE } from './digits.ts';

/**
 * Writes digits as PNG pictures with a `labels.csv` beside them, as acceptance suites and image sources have it.
 * @param prefix of the files' names
 */
export const writePictures = async (directory: string, digits: readonly Digit[], prefix = ''): Promise<void> => {
  await mkdir(directory, { recursive: true });
  const lines = ['file,label'];
  await Promise.all(
    digits.map(async ({ label, pixels }, index) => {
      const file = `${prefix}${String(index).padStart(4, '0')}.png`;
      lines.push(`${file},${label}`);
      const bytes = Uint8Array.from(pixels, (value) => Math.round(value * 255));
      const png = await sharp(bytes, { raw: { width: SIDE, height: SIDE, channels: 1 } })
        .png()
        .toBuffer();
      await writeFile(join(directory, file), png);
    }),
  );
  await writeFile(join(directory, 'labels.csv'), `${lines.join('\n')}\n`);
};
