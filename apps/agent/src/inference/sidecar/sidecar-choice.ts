import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSchema, MANIFEST_FILE, runtimeSchema } from '@aviary/release';
import { z } from 'zod';
import { WorkerStartError } from '../errors.ts';
import type { ProvenSidecar } from './find-sidecars.ts';

/** As much of a release's manifest as says who runs it; the worker reads, and judges, all of it. */
const choosingSchema = z.object({ variant: z.object({ runtime: runtimeSchema, format: formatSchema }) });

/**
 * The sidecar that runs an opened variant; undefined where the worker does it by itself, or says what is wrong with it.
 * @param archiveDirectory of the opened variant
 * @throws WorkerStartError when this board has none for it
 */
export const chooseSidecar = async (
  archiveDirectory: string,
  sidecars: readonly ProvenSidecar[],
): Promise<ProvenSidecar | undefined> => {
  const content = await readFile(join(archiveDirectory, MANIFEST_FILE), 'utf8').catch(() => '');
  const parsed = choosingSchema.safeParse(jsonIn(content));
  if (!parsed.success || parsed.data.variant.runtime === 'onnxruntime') return undefined;
  const { runtime, format } = parsed.data.variant;
  const found = sidecars.find(({ hello }) => hello.runtime === runtime && hello.formats.includes(format));
  if (found !== undefined) return found;
  const known = sidecars.map(({ hello }) => `${hello.name} (${hello.formats.join(', ')} with ${hello.runtime})`);
  throw new WorkerStartError(
    'worker-start-failed',
    `the variant is ${format} for ${runtime}, and no sidecar here runs that; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ') || 'none'}`,
  );
};

const jsonIn = (content: string): unknown => {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
};
