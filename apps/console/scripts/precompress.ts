import { readdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const COMPRESSED = new Set(['.js', '.css', '.html', '.svg', '.json']);
/** Below this, the headers of the answer weigh more than what is saved. */
const SMALLEST = 1024;

/** Writes `.gz` and `.br` beside what was built, so that the control plane only picks one. */
export const precompress = (): Plugin => {
  let folder = 'dist';
  return {
    name: 'aviary-precompress',
    apply: 'build',
    configResolved: (config) => {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle: async () => {
      const files = await readdir(folder, { recursive: true, withFileTypes: true });
      const texts = files.filter((file) => file.isFile() && COMPRESSED.has(extname(file.name)));
      for (const { parentPath, name } of texts) {
        const path = join(parentPath, name);
        const bytes = await readFile(path);
        if (bytes.length < SMALLEST) continue;
        await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params }));
      }
    },
  };
};
