import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LIGHT_VARIANT } from '../inference/testing/light-manifest.ts';
import { TemporaryFolders, writeLightRelease } from '../inference/testing/light-release.ts';
import { type SealedRelease, sealRelease } from './sealed-release.ts';

/**
 * A release that really answers, `light` or `dark`, sealed for `identity`.
 * @param ballast bytes that are in its archive beside the model, to make it as large as a test needs it
 * @param files further ones, by name
 * @param providers execution providers that it asks for
 * @param runtime that runs its ONNX file
 */
export const sealLightRelease = async (
  release: string,
  {
    releaseCounter = 1,
    rollbackFloor = 0,
    ballast = Buffer.alloc(0),
    files: further = {} as Readonly<Record<string, string>>,
    providers = undefined as readonly string[] | undefined,
    runtime = LIGHT_VARIANT.runtime,
  } = {},
): Promise<SealedRelease> => {
  const folders = new TemporaryFolders();
  try {
    const variant = { ...LIGHT_VARIANT, runtime, ...(providers === undefined ? {} : { providers: [...providers] }) };
    const manifest = { release, releaseCounter, rollbackFloor, variant };
    const folder = await writeLightRelease(folders.make(), { manifest });
    const names = (await readdir(folder, { recursive: true })).filter((name) => name.includes('.'));
    const contents = names.map(async (name) => [name, await readFile(join(folder, name))] as const);
    const files = new Map<string, Uint8Array>(await Promise.all(contents));
    for (const [name, text] of Object.entries(further)) files.set(name, Buffer.from(text));
    if (ballast.length > 0) files.set('ballast.bin', ballast);
    return await sealRelease(release, { releaseCounter, rollbackFloor, files, runtime });
  } finally {
    folders.remove();
  }
};
